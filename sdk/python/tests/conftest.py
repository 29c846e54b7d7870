import sys
from pathlib import Path

# For make_aio, which is not of the package.
sys.path.insert(0, str(Path(__file__).parents[1]))
