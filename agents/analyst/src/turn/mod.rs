//! What the agent does with one request: each table it was given becomes a report, a plot and a memory.
