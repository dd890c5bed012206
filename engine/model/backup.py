"""What server and command line agree on about a backup: a tar stream with a list of its files at its end."""

MARK = "unfinished-backup"
"""In a data folder: a backup that was not finished. A server refuses such a folder."""

CONTENTS = "backup.json"
"""The last file of the stream: what the backup consists of. It stays beside the folder of the node."""

FORMAT = 1

MARK_TEXT = b"This folder is a backup that was not finished. Remove it, and make the backup again.\n"
