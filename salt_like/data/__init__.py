"""From files to batches: reading, selecting, labelling, packing and shuffling jets."""

from __future__ import annotations

import os

# file locking fails on cluster file systems (Lustre, GPFS: errno 524); has to be said before h5py is imported
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
