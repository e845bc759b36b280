"""The tables, their constraints, and which rows a user may see: `visible_to(user)`.

Nothing here calls the store. `docx/data-model.md` draws the tables. Ids are UUIDs made from ULIDs,
so they sort by time of creation.
"""

from files.models.attempts import WrongPasswords
from files.models.changes import Change
from files.models.files import File, FileVersion, Integrity
from files.models.folders import Folder
from files.models.shares import Share, ShareEvent
from files.models.sweeps import SweptDay
from files.models.uploads import Upload
from files.models.users import User

__all__ = [
    "Change",
    "File",
    "FileVersion",
    "Folder",
    "Integrity",
    "Share",
    "ShareEvent",
    "SweptDay",
    "Upload",
    "User",
    "WrongPasswords",
]
