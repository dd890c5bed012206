"""The tree of errors that the engine raises; a leaf is named by its cause, an inner node by what a client can do about it.

EngineError                  500
├── InvalidRequest           400   LineProtocolError · SchemaConflict · TriggerSpecError · QueryError · CatalogEditRefused
│                                  QueryNotSupported (405) · InternalDatabase (500) · OperatorTokenNeeded (405)
│                                  AuthorizationMalformed · DatabaseNameError
├── Unauthorized             401
├── Forbidden                403
├── NotFound                 404   DatabaseNotFound · TableNotFound · TriggerIsOff
├── AlreadyExists            409   AlreadyDeleted · StillRunning
├── LimitExceeded            422
├── Unavailable              503   ObjectStoreAway
├── QueryFailed              500   QueryTimedOut (504) · QueryCancelled (503)
├── PluginError              500   PluginFailed · PluginTimedOut (504) · EntryPointMissing · PluginNotFound · EngineOff
└── StorageError             500   WalCorrupt · ManifestCorrupt · SyncFailed · DiskFull (503) · FolderInUse
                                   ObjectStoreRefused · OwnershipLost

``engine/server/errors.py`` holds the only table from these classes to HTTP statuses.
"""


class EngineError(Exception):
    """Anything that the engine refuses or fails to do; its text is written for the person who reads it."""


class InvalidRequest(EngineError):
    """What was asked for is wrong in itself; asking again does not help."""


class LineProtocolError(InvalidRequest):
    """A line does not follow the grammar of line protocol."""


class SchemaConflict(InvalidRequest):
    """A value does not fit the type that its column already has."""


class TriggerSpecError(InvalidRequest):
    """A trigger specification that cannot be understood."""


class QueryError(InvalidRequest):
    """A query that cannot be planned."""


class QueryNotSupported(QueryError):
    """A query that asks for something that is not implemented, more than one statement among it."""


class CatalogEditRefused(InvalidRequest):
    """What stands in ``catalog.toml``, or in a file for ``apply``, does not hold; the text names file, line and reason."""


class DatabaseNameError(InvalidRequest):
    """Nothing can be written to a database of this name."""


class InternalDatabase(InvalidRequest):
    """The database in which the engine keeps what happened is not for others to change."""


class OperatorTokenNeeded(InvalidRequest):
    """The operator token can be given a new text, not be deleted."""


class AuthorizationMalformed(InvalidRequest):
    """The ``Authorization`` header has none of the forms that are understood."""


class Unauthorized(EngineError):
    """No valid token came with the request."""


class Forbidden(EngineError):
    """The token is valid, and may not do this."""


class NotFound(EngineError):
    """What the request names does not exist."""


class DatabaseNotFound(NotFound):
    """No database has this name."""


class TableNotFound(NotFound):
    """The database has no table of this name."""


class TriggerIsOff(NotFound):
    """The trigger that answers here is disabled."""


class AlreadyExists(EngineError):
    """The name is taken, or the thing is in a state that does not allow this."""


class AlreadyDeleted(AlreadyExists):
    """The thing was deleted before."""


class ChangedMeanwhile(AlreadyExists):
    """Somebody else changed the same thing in between; asking again may help."""


class StillRunning(AlreadyExists):
    """An enabled trigger cannot be deleted without force."""


class LimitExceeded(EngineError):
    """A limit that the operator configured would be passed."""


class Unavailable(EngineError):
    """Not now: too many wait already, or the server is going down."""


class QueryFailed(EngineError):
    """A query that was understood and could not be carried out: a column that is missing, a value, memory, a file."""


class QueryTimedOut(QueryFailed):
    """A query took longer than it may, and was ended."""


class QueryCancelled(QueryFailed):
    """A query was ended because nobody waits for its rows any more, or because the server ends."""


class PluginError(EngineError):
    """A plugin cannot be loaded or run."""


class PluginNotFound(PluginError):
    """The plugin's file or folder cannot be read."""


class EngineOff(PluginError):
    """The server was started without ``--plugin-dir``."""


class EntryPointMissing(PluginError):
    """The plugin lacks the function that its trigger calls."""


class PluginFailed(PluginError):
    """The plugin's code raised.

    Attributes:
        details: the user's traceback, as Python prints it.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class PluginTimedOut(PluginFailed):
    """The run passed its time limit."""


class StorageError(EngineError):
    """The disk, or what is on it, does not allow this."""


class WalCorrupt(StorageError):
    """The log is damaged in its middle; the text names file and offset, and how to go on."""


class ManifestCorrupt(StorageError):
    """The manifest, or a file that it names, is missing or damaged."""


class SyncFailed(StorageError):
    """The disk did not confirm a sync; nothing of that group is acknowledged."""


class FolderInUse(StorageError):
    """Another process holds the lock of the data folder."""


class DiskFull(SyncFailed):
    """No space, or no more of what this user may have of it; nothing of what was to be written is kept.

    It is there again without a restart as soon as there is space, so whoever wrote should try again later.
    """


class ObjectStoreAway(Unavailable):
    """The object store does not answer, or takes nothing for now; asking again may help."""


class ObjectStoreRefused(StorageError):
    """The object store, or what is in it, does not allow this; somebody has to change something."""


class OwnershipLost(StorageError):
    """Another server has taken over the data of this node."""
