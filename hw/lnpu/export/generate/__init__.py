"""`lnpu generate`: everything that is needed to build a machine into a system, for one configuration."""

from lnpu.export.generate.bundle import Bundle, generate
from lnpu.export.generate.directory import DirectoryError, check_target, install

__all__ = ["Bundle", "DirectoryError", "check_target", "generate", "install"]
