"""VerifiedProgram -> XlatedProgram: what convert_ctx_accesses() and do_misc_fixups() are in our architecture."""

from beespace.xlate.dump import dump_xlated, dump_xlated_records
from beespace.xlate.tag import calc_tag
from beespace.xlate.xlate import raw, xlate

__all__ = ["calc_tag", "dump_xlated", "dump_xlated_records", "raw", "xlate"]
