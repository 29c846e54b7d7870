"""What the SDK does, without input or output: signing, retries, streams, shapes.

Everything that takes more than one step is a plan, a generator of effects (`effects`). The sync and the async
transport carry effects out; neither decides anything. A socket, a thread and an event loop may not enter.
"""
