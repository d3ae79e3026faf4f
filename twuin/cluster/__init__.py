"""Work on several machines by Dask: the only room that knows it.

A worker (``twuin worker``) is a Twuin process with settings of its own, that reads the store itself. Only
names, times and what was found pass through the scheduler, as bytes that are counted on both sides.
"""

from twuin.cluster.model import Certificates, Failed, Versions, Work, versions

__all__ = ["Certificates", "Failed", "Versions", "Work", "versions"]
