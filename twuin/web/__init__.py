"""Twuin's own pages: rendered on the server, kept alive by a little JavaScript."""

from twuin.web.mount import mount_pages as mount_pages
from twuin.web.take import Takes as Takes
from twuin.web.wall_file import WallFile as WallFile
