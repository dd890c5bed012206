"""Chooses where the durable files of a node are kept."""

from engine.clock import Clock
from engine.disk import Disk
from engine.paths import NodePaths
from engine.storage.cloud_config import CloudConfig, RemoteConfig
from engine.storage.objects import LocalObjects, Objects
from engine.storage.transfers import Transfers


def keep_in(
    cloud: CloudConfig | None, config: RemoteConfig, disk: Disk, paths: NodePaths, clock: Clock, transfers: Transfers
) -> Objects:
    """Return where the files are kept: in ``cloud``, or (``None``) in the folder alone; nothing is asked there yet.

    Raises:
        ObjectStoreRefused: what ``cloud`` says makes no sense to the client.
    """
    if cloud is None:
        return LocalObjects(disk, paths)
    # Here: a server without an object store does without the 5 MB of its client.
    from engine.storage.cloud import CloudBucket
    from engine.storage.remote import RemoteObjects

    return RemoteObjects(CloudBucket(cloud, transfers), disk, paths, clock, config)
