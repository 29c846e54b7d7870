//! Figures of numbers that come in blocks. It knows of no columns and no files.
