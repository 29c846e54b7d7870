"""A turn without a node: `FakeKernel` answers the syscalls of an agent, and says what became of them.

It is held against sdk/conformance/, as the real kernel is. Policies, quotas, sandboxes and a real model are not in it.
"""

from .kernel import Asked, FakeKernel
from .model import Calls, Events, says

__all__ = ["Asked", "Calls", "Events", "FakeKernel", "says"]
