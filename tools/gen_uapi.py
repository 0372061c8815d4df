"""Generate ``src/beespace/uapi/{bpf,enums,attr,layouts}.py``.

::

    python tools/gen_uapi.py            write
    python tools/gen_uapi.py --check    exit 1 and name the files that are not current, 77 when the inputs are missing

Inputs: the BTF of a running Linux 6.18 for enums and structs, read with bpftool, and the headers of Debian's
linux-source-6.12 for what only the preprocessor knows, plus ADDED_DEFINES for what 6.18 defines beyond them.
Where both know a name the running kernel is right.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "beespace" / "uapi"
VMLINUX = Path("/sys/kernel/btf/vmlinux")
PACKAGED = Path("/usr/src/linux-source-6.12.tar.xz")
VERSION = "6.18"
MISSING = 77  # exit code: inputs are not on this machine

ORIGIN = """Constants, names and layouts are interfaces; origin: Linux, GPL-2.0 WITH Linux-syscall-note."""

# ---- what is taken ---------------------------------------------------------------------------------------------------
ENUM = re.compile(
    r"(bpf_|btf_|xdp_action$|tcx_action|kfunc_|priv_stack|special_kfunc|sk_action$|ref_state_type$|exact_level$"
    r"|netns_bpf_attach_type$|cgroup_bpf_attach_type$|nf_inet_hooks$|nf_ip_hook_priorities$|hid_report_type$)"
)
ANON_ENUM = re.compile(
    r"(BPF_|BTF_|KF_|XDP_|AT_PKT_END|REASON_BOUNDS|DISCOVERED|DONE_EXPLORING|IRQ_NATIVE_KFUNC|SK_BPF_CB|TCP_BPF_IW"
    r"|PROCESS_BPF_EXIT|TCP_ESTABLISHED)"
)
HEADERS = (  # file, names taken
    ("include/uapi/linux/bpf_common.h", r"BPF_"),
    ("include/uapi/linux/filter.h", r"BPF_|SKF_"),
    ("include/uapi/linux/bpf.h", r"BPF_|XDP_|MAX_BPF_"),
    ("include/linux/filter.h", r"BPF_(REG|TAIL|PROBE|CALL|NOSPEC|ADDR)|MAX_BPF_"),
    ("include/uapi/linux/btf.h", r"BTF_"),
    ("include/linux/btf.h", r"KF_"),
    (
        "include/linux/bpf.h",
        r"BPF_(BASE|TYPE|MAX|COMPLEXITY|F_|MAP_CAN|RET|TRAMP_F|STRUCT_OPS)|MAX_|DYNPTR_TYPE_FLAG_MASK",
    ),
    ("include/linux/bpf_verifier.h", r"BPF_(REG_SIZE|LOG|MAX|VERIFIER|BASE)|MAX_|INSN_BUF_SIZE|TMP_STR_BUF_LEN"),
    ("kernel/bpf/verifier.c", r"BPF_(COMPLEXITY|MAP_KEY|PRIV|GLOBAL)|MAX_|CALLER_SAVED|LINKED_REGS_MAX|MIN_BPF_FUNC"),
    ("kernel/bpf/btf.c", r"BTF_(INFO_MASK|INT_MASK|MAX_SIZE)|MAX_RESOLVE_DEPTH"),
    ("kernel/bpf/helpers.c", r"DYNPTR_|BPF_STRTOX|BITS_ITER|MAX_BPRINTF"),
    ("include/uapi/linux/pkt_cls.h", r"TC_ACT_"),
    ("include/uapi/linux/if_ether.h", r"ETH_"),
    ("include/uapi/linux/if_link.h", r"XDP_"),
    ("include/uapi/linux/netfilter.h", r"NF_"),
    ("include/linux/errno.h", r"ENOTSUPP"),
)
# What Linux 6.18 defines beyond 6.12: not in BTF because the preprocessor eats it.
ADDED_DEFINES = {
    "include/uapi/linux/bpf.h": {"BPF_LOAD_ACQ": 0x100, "BPF_STORE_REL": 0x110},
    "include/linux/btf.h": {
        "KF_FASTCALL": 1 << 12,
        "KF_ARENA_RET": 1 << 13,
        "KF_ARENA_ARG1": 1 << 14,
        "KF_ARENA_ARG2": 1 << 15,
    },
}
# union bpf_attr: its structs in the order of the header, first member as a check.
ATTR_STRUCTS = (
    ("map_type", "MapCreateAttr", "BPF_MAP_CREATE"),
    ("map_fd", "MapElemAttr", "BPF_MAP_*_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_MAP_FREEZE"),
    ("batch", "MapBatchAttr", "BPF_MAP_*_BATCH"),
    ("prog_type", "ProgLoadAttr", "BPF_PROG_LOAD"),
    ("pathname", "ObjPinAttr", "BPF_OBJ_PIN, BPF_OBJ_GET"),
    ("target_fd", "ProgAttachAttr", "BPF_PROG_ATTACH, BPF_PROG_DETACH"),
    ("test", "ProgTestRunAttr", "BPF_PROG_TEST_RUN"),
    ("start_id", "GetIdAttr", "BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID"),
    ("info", "GetInfoAttr", "BPF_OBJ_GET_INFO_BY_FD"),
    ("query", "ProgQueryAttr", "BPF_PROG_QUERY"),
    ("raw_tracepoint", "RawTracepointOpenAttr", "BPF_RAW_TRACEPOINT_OPEN"),
    ("btf", "BtfLoadAttr", "BPF_BTF_LOAD"),
    ("task_fd_query", "TaskFdQueryAttr", "BPF_TASK_FD_QUERY"),
    ("link_create", "LinkCreateAttr", "BPF_LINK_CREATE"),
    ("link_update", "LinkUpdateAttr", "BPF_LINK_UPDATE"),
    ("link_detach", "LinkDetachAttr", "BPF_LINK_DETACH"),
    ("enable_stats", "EnableStatsAttr", "BPF_ENABLE_STATS"),
    ("iter_create", "IterCreateAttr", "BPF_ITER_CREATE"),
    ("prog_bind_map", "ProgBindMapAttr", "BPF_PROG_BIND_MAP"),
    ("token_create", "TokenCreateAttr", "BPF_TOKEN_CREATE"),
    ("prog_stream_read", "ProgStreamReadAttr", "BPF_PROG_STREAM_READ_BY_FD"),
)
INFO_STRUCTS = (
    ("bpf_prog_info", "ProgInfo"),
    ("bpf_map_info", "MapInfo"),
    ("bpf_btf_info", "BtfInfo"),
    ("bpf_link_info", "LinkInfo"),
    ("bpf_func_info", "BpfFuncInfo"),
    ("bpf_line_info", "BpfLineInfo"),
    ("bpf_core_relo", "BpfCoreRelo"),
    ("bpf_iter_link_info", "IterLinkInfo"),
)
# Command -> record, last member it reads (CHECK_ATTR in kernel/bpf/syscall.c; tests/oracle probes the running kernel).
COMMANDS = (
    ("BPF_MAP_CREATE", "MapCreateAttr", "excl_prog_hash_size"),
    ("BPF_MAP_LOOKUP_ELEM", "MapElemAttr", "flags"),
    ("BPF_MAP_UPDATE_ELEM", "MapElemAttr", "flags"),
    ("BPF_MAP_DELETE_ELEM", "MapElemAttr", "key"),
    ("BPF_MAP_GET_NEXT_KEY", "MapElemAttr", "next_key"),
    ("BPF_PROG_LOAD", "ProgLoadAttr", "keyring_id"),
    ("BPF_OBJ_PIN", "ObjPinAttr", "path_fd"),
    ("BPF_OBJ_GET", "ObjPinAttr", "path_fd"),
    ("BPF_PROG_ATTACH", "ProgAttachAttr", "expected_revision"),
    ("BPF_PROG_DETACH", "ProgAttachAttr", "expected_revision"),
    ("BPF_PROG_TEST_RUN", "ProgTestRunAttr", "batch_size"),
    ("BPF_PROG_GET_NEXT_ID", "GetIdAttr", "next_id"),
    ("BPF_MAP_GET_NEXT_ID", "GetIdAttr", "next_id"),
    ("BPF_PROG_GET_FD_BY_ID", "GetIdAttr", "prog_id"),
    ("BPF_MAP_GET_FD_BY_ID", "GetIdAttr", "open_flags"),
    ("BPF_OBJ_GET_INFO_BY_FD", "GetInfoAttr", "info"),
    ("BPF_PROG_QUERY", "ProgQueryAttr", "revision"),
    ("BPF_RAW_TRACEPOINT_OPEN", "RawTracepointOpenAttr", "cookie"),
    ("BPF_BTF_LOAD", "BtfLoadAttr", "btf_token_fd"),
    ("BPF_BTF_GET_FD_BY_ID", "GetIdAttr", "fd_by_id_token_fd"),
    ("BPF_TASK_FD_QUERY", "TaskFdQueryAttr", "probe_addr"),
    ("BPF_MAP_LOOKUP_AND_DELETE_ELEM", "MapElemAttr", "flags"),
    ("BPF_MAP_FREEZE", "MapElemAttr", "map_fd"),
    ("BPF_BTF_GET_NEXT_ID", "GetIdAttr", "next_id"),
    ("BPF_MAP_LOOKUP_BATCH", "MapBatchAttr", "flags"),
    ("BPF_MAP_LOOKUP_AND_DELETE_BATCH", "MapBatchAttr", "flags"),
    ("BPF_MAP_UPDATE_BATCH", "MapBatchAttr", "flags"),
    ("BPF_MAP_DELETE_BATCH", "MapBatchAttr", "flags"),
    ("BPF_LINK_CREATE", "LinkCreateAttr", "uprobe_multi.pid"),
    ("BPF_LINK_UPDATE", "LinkUpdateAttr", "old_prog_fd"),
    ("BPF_LINK_GET_FD_BY_ID", "GetIdAttr", "link_id"),
    ("BPF_LINK_GET_NEXT_ID", "GetIdAttr", "next_id"),
    ("BPF_ENABLE_STATS", "EnableStatsAttr", "type"),
    ("BPF_ITER_CREATE", "IterCreateAttr", "flags"),
    ("BPF_LINK_DETACH", "LinkDetachAttr", "link_fd"),
    ("BPF_PROG_BIND_MAP", "ProgBindMapAttr", "flags"),
    ("BPF_TOKEN_CREATE", "TokenCreateAttr", "bpffs_fd"),
    ("BPF_PROG_STREAM_READ_BY_FD", "ProgStreamReadAttr", "prog_fd"),
)
LAYOUTS = re.compile(
    r"(xdp_md|__sk_buff|sk_msg_md|sk_reuseport_md|pt_regs|btf_ptr|bpf_insn|bpf_iter__\w+|bpf_iter_meta|bpf_iter_link_info"
    r"|bpf_(sock_addr|sock_ops|sk_lookup|sock|tcp_sock|cgroup_dev_ctx|sysctl|sockopt|perf_event_data|perf_event_value"
    r"|flow_dissector|flow_keys|nf_ctx|raw_tracepoint_args|tunnel_key|xfrm_state|fib_lookup|redir_neigh|sock_tuple"
    r"|devmap_val|cpumap_val|pidns_info|stack_build_id|lpm_trie_key_hdr|lpm_trie_key_u8|cgroup_storage_key"
    r"|timer|wq|task_work|spin_lock|res_spin_lock|dynptr|refcount|list_head|list_node|rb_root|rb_node"
    r"|iter_(num|bits|task|task_vma|css|css_task|kmem_cache|dmabuf)"
    r"|spin_lock_kern|timer_kern|dynptr_kern)"
    r"|btf_(header|type|array|member|param|enum|enum64|var|var_secinfo|decl_tag))"
)


# ---- BTF -------------------------------------------------------------------------------------------------------------
Type = dict[str, Any]


class Types:
    """The types of a BTF blob as bpftool's JSON gives them."""

    def __init__(self, path: Path) -> None:
        text = subprocess.run(
            ["bpftool", "btf", "dump", "file", str(path), "-j"], check=True, capture_output=True
        ).stdout
        self.all: list[Type] = json.loads(text)["types"]
        self.by_id = {t["id"]: t for t in self.all}

    def named(self, name: str) -> Type:
        return next(t for t in self.all if t["name"] == name and t["kind"] in ("STRUCT", "UNION"))

    def strip(self, tid: int) -> Type:
        t = self.by_id[tid]
        while t["kind"] in ("TYPEDEF", "CONST", "VOLATILE", "RESTRICT", "TYPE_TAG"):
            t = self.by_id[t["type_id"]]
        return t

    def size(self, tid: int) -> int:
        t = self.strip(tid)
        if t["kind"] == "PTR":
            return 8
        if t["kind"] == "ARRAY":
            return int(t["nr_elems"]) * self.size(t["type_id"])
        return int(t["size"])

    def ctype(self, tid: int) -> str:
        if tid == 0:
            return "void"
        t = self.by_id[tid]
        match t["kind"]:
            case "PTR":
                target = self.ctype(t["type_id"])
                return f"{target}*" if target.endswith("*") else f"{target} *"
            case "ARRAY":
                return f"{self.ctype(t['type_id'])}[{t['nr_elems']}]"
            case "CONST":
                return f"const {self.ctype(t['type_id'])}"
            case "VOLATILE" | "RESTRICT" | "TYPE_TAG":
                return self.ctype(t["type_id"])
            case "FUNC_PROTO":
                return f"{self.ctype(t['ret_type_id'])} ()({', '.join(self.ctype(p['type_id']) for p in t['params'])})"
            case "STRUCT" | "UNION" | "ENUM" | "ENUM64":
                kind = t["kind"].lower().removesuffix("64")
                return kind if t["name"] == "(anon)" else f"{kind} {t['name']}"
            case "FWD":
                return f"{t['fwd_kind']} {t['name']}"
            case _:
                return str(t["name"])

    def members(self, t: Type, base: int = 0) -> Iterator[tuple[str, int, int, str, int, int]]:
        """name, byte offset, size, C type, first bit, bits; anonymous members are flattened."""
        for m in t.get("members", ()):
            off, bits = base * 8 + m["bits_offset"], m.get("bitfield_size", 0)
            inner = self.strip(m["type_id"])
            if m["name"] == "(anon)" and inner["kind"] in ("STRUCT", "UNION"):
                yield from self.members(inner, off // 8)
            elif bits:
                size = self.size(m["type_id"])
                start = off // (8 * size) * size
                yield m["name"], start, size, self.ctype(m["type_id"]), off - 8 * start, bits
            else:
                yield m["name"], off // 8, self.size(m["type_id"]), self.ctype(m["type_id"]), 0, 0

    def enums(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        for t in self.all:
            if t["kind"] not in ("ENUM", "ENUM64"):
                continue
            name = "" if t["name"] == "(anon)" else t["name"]
            rows = [(v["name"], v["val"]) for v in t["values"]]
            if t.get("encoding") == "UNSIGNED":
                mask = (1 << 8 * t["size"]) - 1
                rows = [(key, value & mask) for key, value in rows]
            wanted = ENUM.match(name) if name else any(ANON_ENUM.match(key) for key, _ in rows[:1])
            if wanted and rows:
                yield name, rows


# ---- the preprocessor's constants ------------------------------------------------------------------------------------
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+((?:[^\n\\]|\\\n)+)", re.M)
EXPRESSION = re.compile(r"(?:0x[0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<|>>|[-+*/%~|&^()\s])+")


def evaluate(text: str, known: dict[str, int]) -> int | None:
    """Value of a C constant expression; None when it is none."""
    text = text.replace("\\\n", " ").strip()
    text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
    text = re.sub(r"\((?:__)?u(?:8|16|32|64)\)", "", text)
    text = re.sub(r"\bBIT(?:_ULL)?\(([^()]*)\)", r"(1 << (\1))", text)
    text = re.sub(r"\bGENMASK\(([^(),]*),\s*0\)", r"((2 << (\1)) - 1)", text)
    if re.fullmatch(r"'.'", text):
        return ord(text[1])
    if not EXPRESSION.fullmatch(text):
        return None
    names = set(re.findall(r"\b[A-Za-z_]\w*", re.sub(r"0x[0-9a-fA-F]+", "", text)))
    if not names <= known.keys():
        return None
    try:
        value = eval(compile(text, "<define>", "eval"), {"__builtins__": {}}, known)
    except (SyntaxError, TypeError):
        return None
    return value if isinstance(value, int) else None


def defines(known: dict[str, int]) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    for header, pattern in HEADERS:
        text = COMMENT.sub(" ", (source() / header).read_text())
        rows = []
        for name, expression in DEFINE.findall(text):
            if not re.match(pattern, name) or name in known:
                continue
            value = evaluate(expression, known)
            if value is not None:
                known[name] = value
                rows.append((name, value))
        for name, value in ADDED_DEFINES.get(header, {}).items():
            known[name] = value
            rows.append((name, value))
        yield header, rows


# Enums of 6.12's uapi header that the running kernel's BTF lacks (compiled out).
def header_enums(known: dict[str, int]) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    text = COMMENT.sub(" ", (source() / "include/uapi/linux/bpf.h").read_text())
    text = re.sub(r"^[ \t]*#.*(?:\\\n.*)*", "", text, flags=re.M)
    for name, body in re.findall(r"\benum\s+(\w+)?\s*\{([^}]*)\}", text):
        rows, following = [], 0
        for item in filter(None, (part.strip() for part in body.split(","))):
            key, _, expression = (part.strip() for part in item.partition("="))
            value = evaluate(expression, known) if expression else following
            if value is None or not re.fullmatch(r"\w+", key):
                break
            following = value + 1
            if key not in known:
                known[key] = value
                rows.append((key, value))
        if rows:
            yield name, rows


# ---- output ----------------------------------------------------------------------------------------------------------
def heading(title: str) -> str:
    return f'"""GENERATED by tools/gen_uapi.py from Linux {VERSION}; do not edit.\n\n{title}\n{ORIGIN}\n"""\n'


def number(name: str, value: int) -> str:
    flags = re.search(r"FLAG|MASK|KF_|_F_|MAYBE|MEM_|SIZE_MASK|ETH_P_", name) and abs(value) > 9
    return hex(value) if flags or abs(value) >= 1 << 16 else str(value)


def constants(types: Types) -> tuple[str, str]:
    out = [heading("Enum constants and ``#define``s under the kernel's names, those of the verifier included.")]
    known: dict[str, int] = {}
    named: dict[str, tuple[str, ...]] = {}

    def section(title: str, rows: Iterable[tuple[str, int]]) -> None:
        rows = list(rows)
        if rows:
            out.append(f"\n# {title}\n" + "".join(f"{key} = {number(key, value)}\n" for key, value in rows))

    for name, rows in types.enums():
        fresh = [(key, value) for key, value in rows if key not in known]
        for key, value in rows:
            if known.setdefault(key, value) != value:
                print(f"enum {name}: {key} = {value} is also {known[key]}", file=sys.stderr)
        section(f"enum {name}".rstrip(), fresh)
        keys = tuple(key for key, _ in rows)
        label = name or common_prefix(keys)
        if label and (label not in named or len(keys) > len(named[label])):
            named[label] = keys
    for header, rows in defines(known):
        section(header, rows)
        for prefix in ("TC_ACT_", "ETH_P_", "KF_"):
            keys = tuple(key for key, _ in rows if key.startswith(prefix))
            if len(keys) > 3:
                named[prefix] = keys
    for name, rows in header_enums(known):
        section(f"enum {name}: include/uapi/linux/bpf.h, not in this kernel's BTF".replace(" :", ":"), rows)
    enums = [heading("Which constants belong to which enum, in the order of the declaration.")]
    enums.append(ENUMS_CODE)
    enums.append("_ENUMS: dict[str, str] = {\n")
    enums.extend(f"    {label!r}: {' '.join(keys)!r},\n" for label, keys in sorted(named.items()))
    enums.append("}\n")
    return "".join(out), "".join(enums).replace("'", '"')


def common_prefix(keys: tuple[str, ...]) -> str:
    keys = tuple(key for key in keys if not key.startswith(("NR_", "MAX_", "__")))
    shared = 0
    while keys and len({key[: shared + 1] for key in keys}) == 1 and shared < len(keys[0]):
        shared += 1
    prefix = keys[0][: keys[0].rfind("_", 0, shared) + 1] if keys else ""
    return prefix if len(keys) > 1 and len(prefix) > 4 else ""


ENUMS_CODE = '''
from __future__ import annotations

from beespace.uapi import bpf

__all__ = ["constants", "enum_names", "name_of", "names"]


def enum_names() -> tuple[str, ...]:
    """Every enum that names() knows; an anonymous one under the prefix its constants share (``BTF_KIND_``)."""
    return tuple(_ENUMS)


def constants(enum: str) -> tuple[str, ...]:
    """The constants of *enum*, in the order of the declaration; several may have one value.

    :raises KeyError: no such enum.
    """
    return tuple(_ENUMS[enum].split())


def names(enum: str) -> dict[int, str]:
    """value -> constant of *enum* (``bpf_map_type``); of two constants with one value the first.

    :raises KeyError: no such enum.
    """
    table: dict[int, str] = {}
    for name in _ENUMS[enum].split():
        table.setdefault(getattr(bpf, name), name)
    return table


def name_of(enum: str, value: int) -> str:
    """The constant of *enum* that is *value*, or the number as text."""
    return names(enum).get(value, str(value))


'''


# A tuple of strings as source.
def names(items: list[str]) -> str:
    return "(" + ", ".join(f'"{item}"' for item in items) + ("," if len(items) == 1 else "") + ")"


class RecordWriter:
    """Writes the class of a struct, and of the structs in its unions before it."""

    CODES: ClassVar = {1: "B", 2: "H", 4: "I", 8: "Q"}

    def __init__(self, types: Types) -> None:
        self.types = types
        self.out: list[str] = []
        self.names: list[str] = []

    def code(self, tid: int) -> str:
        t = self.types.strip(tid)
        if t["kind"] == "ARRAY":
            return f"{self.types.size(tid)}s"
        code = self.CODES[self.types.size(tid)]
        return code.lower() if t.get("encoding") in ("SIGNED", "CHAR") else code

    def write(self, name: str, t: Type, about: str) -> None:
        fields: list[tuple[str, str, str, int]] = []  # name, Python type, code, offset
        text, arrays, props = [], [], []
        unions = [
            m for m in t["members"] if m["name"] == "(anon)" and self.types.strip(m["type_id"])["kind"] == "UNION"
        ]
        mixed = [m for m in unions if not self.is_alias(self.types.strip(m["type_id"]))]
        stem = name.removesuffix("Attr")
        end = 0
        for m in t["members"]:
            off, inner = m["bits_offset"] // 8, self.types.strip(m["type_id"])
            end = off + self.types.size(m["type_id"])
            if m in mixed:
                field = "u" if len(mixed) == 1 else f"u{mixed.index(m)}"
                size = self.types.size(m["type_id"])
                fields.append((field, "bytes", f"{size}s", off))
                arrays.append((field, size))
                props.extend(self.arms(stem, field, size, inner))
            elif m in unions:
                first, *others = inner["members"]
                fields.append((first["name"], "int", self.code(first["type_id"]), off))
                props.extend(self.alias(other["name"], first["name"]) for other in others)
            else:
                if inner["kind"] in ("STRUCT", "UNION"):
                    raise SystemExit(f"{name}.{m['name']}: a struct inside a record is not handled")
                if m.get("bitfield_size") and m["bits_offset"] % 32:
                    raise SystemExit(f"{name}.{m['name']}: only a bit field in bit 0 is handled")
                code = self.code(m["type_id"])
                if code.endswith("s"):
                    arrays.append((m["name"], int(code[:-1])))
                    if self.types.strip(inner["type_id"])["name"] == "char":
                        text.append(m["name"])
                fields.append((m["name"], "bytes" if code.endswith("s") else "int", code, off))
        self.emit(name, t, about, fields, text, arrays, props, end)

    def emit(self, name, t, about, fields, text, arrays, props, end) -> None:  # type: ignore[no-untyped-def]
        layout, at = "<", 0
        sizes = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "Q": 8, "q": 8}
        rows = []
        for field, kind, code, off in fields:
            if off > at:
                layout += f"{off - at}x"
            size = sizes.get(code) or int(code[:-1])
            layout += code
            at = off + size
            default = 'b""' if kind == "bytes" else "0"
            ctype = {"B": "u8", "b": "s8", "H": "u16", "h": "s16", "I": "u32", "i": "s32", "Q": "u64", "q": "s64"}
            shown = ctype.get(code) or (f"char[{size}]" if field in text else f"u8[{size}]")
            rows.append(f"    {field}: {kind} = {default}  # {shown} at {off}\n")
        if t["size"] > at:
            layout += f"{t['size'] - at}x"
        self.names.append(name)
        self.out.append(
            f'\n\nclass {name}(Record):\n    """{about}"""\n\n'
            + "".join(rows)
            + f"\n    SIZE: ClassVar[int] = {t['size']}\n"
            + f'    _LAYOUT: ClassVar[Struct] = Struct("{layout}")\n'
            + f"    _FIELDS: ClassVar[tuple[str, ...]] = {names([f[0] for f in fields])}\n"
            + "    _BYTES: ClassVar[tuple[tuple[str, int], ...]] = ("
            + "".join(f'("{n}", {s}),' for n, s in arrays)
            + ")\n"
            + f"    _TEXT: ClassVar[tuple[str, ...]] = {names(text)}\n"
            + "".join(props)
        )

    # All arms are scalars of one size: names of one field.
    def is_alias(self, union: Type) -> bool:
        kinds = [self.types.strip(m["type_id"]) for m in union["members"]]
        return len({k.get("size") for k in kinds}) == 1 and all(k["kind"] in ("INT", "ENUM") for k in kinds)

    def alias(self, name: str, field: str) -> str:
        return (
            f'\n    @property\n    def {name}(self) -> int:\n        """Shares ``{field}``."""\n'
            f"        return self.{field}\n"
            f"\n    @{name}.setter\n    def {name}(self, value: int) -> None:\n        self.{field} = value\n"
        )

    def arms(self, stem: str, field: str, total: int, union: Type, base: int = 0) -> Iterator[str]:
        for m in union["members"]:
            off, inner = base + m["bits_offset"] // 8, self.types.strip(m["type_id"])
            if m["name"] == "(anon)":
                yield from self.arms(stem, field, total, inner, off)
            elif inner["kind"] == "STRUCT":
                cls = stem + "".join(part.capitalize() for part in m["name"].split("_"))
                self.write(cls, inner, f"``{m['name']}`` in the union of {stem}.")
                yield (
                    f'\n    @property\n    def {m["name"]}(self) -> {cls}:\n        """Unpacked from ``{field}``; '
                    f'assign to change it."""\n'
                    f"        return {cls}.unpack(self.{field}[{off}:{off + inner['size']}])\n"
                    f"\n    @{m['name']}.setter\n    def {m['name']}(self, value: {cls}) -> None:\n"
                    f"        self.{field} = bytes(value.pack())\n"
                )
            else:
                size = self.types.size(m["type_id"])
                yield (
                    f'\n    @property\n    def {m["name"]}(self) -> int:\n        """u{8 * size} at {off} of '
                    f'``{field}``."""\n        return self._arm("{field}", {off}, {size})\n'
                    f"\n    @{m['name']}.setter\n    def {m['name']}(self, value: int) -> None:\n"
                    f'        self._set_arm("{field}", {off}, {size}, {total}, value)\n'
                )


ATTR_CODE = """
from __future__ import annotations

import errno
from struct import Struct
from typing import ClassVar

from beespace.uapi import bpf
from beespace.uapi.record import Record, TailError
"""
ATTR_TAIL = '''

def unpack_attr(cmd: int, data: bytes | bytearray | memoryview) -> Record:
    """The record of *cmd* from the ``union bpf_attr`` that bpf(2) was given.

    :raises KeyError: no such command (the kernel answers EINVAL).
    :raises TailError: E2BIG for non-zero bytes beyond the union, EINVAL for others that the command does not read.
    :see: kernel/bpf/syscall.c:CHECK_ATTR
    """
    if len(data) > BPF_ATTR_SIZE and any(data[BPF_ATTR_SIZE:]):
        raise TailError("union bpf_attr", BPF_ATTR_SIZE)
    record, end = COMMANDS[cmd]
    if any(data[end:BPF_ATTR_SIZE]):
        raise TailError(f"union bpf_attr of command {cmd}", end, errno.EINVAL)
    return record.unpack(data[: record.SIZE])
'''


def records(types: Types) -> str:
    writer = RecordWriter(types)
    union = types.named("bpf_attr")
    structs: dict[str, Type] = {}
    for (first, name, commands), m in zip(ATTR_STRUCTS, union["members"], strict=True):
        t = types.strip(m["type_id"])
        found = m["name"] if m["name"] != "(anon)" else next(types.members(t))[0]
        if found != first:
            raise SystemExit(f"union bpf_attr: expected the struct of {first}, found {found}")
        structs[name] = t
        writer.write(name, t, f"``union bpf_attr`` of {commands}.")
    for struct, name in INFO_STRUCTS:
        t = types.named(struct)
        if t["kind"] == "UNION":
            t = {"size": t["size"], "members": [{"name": "(anon)", "bits_offset": 0, "type_id": t["id"]}]}
        writer.write(name, t, f"``{types.named(struct)['kind'].lower()} {struct}``.")
    rows = [
        f"    bpf.{cmd}: ({name}, {end_of(types, structs[name], last)}),  # {last}\n" for cmd, name, last in COMMANDS
    ]
    names = sorted([*writer.names, "BPF_ATTR_SIZE", "COMMANDS", "unpack_attr"])
    return (
        heading("Records of bpf(2): what each command reads, what the kernel reports about objects.")
        + ATTR_CODE
        + "\n__all__ = [\n"
        + "".join(f'    "{name}",\n' for name in names)
        + "]\n"
        + f"\nBPF_ATTR_SIZE = {union['size']}  # sizeof(union bpf_attr)\n"
        + "".join(writer.out)
        + "\n\n# command -> record, end of the last member that the command reads\n"
        + "COMMANDS: dict[int, tuple[type[Record], int]] = {\n"
        + "".join(rows)
        + "}\n"
        + ATTR_TAIL
    )


def end_of(types: Types, t: Type, path: str) -> int:
    head, _, rest = path.partition(".")
    if rest:
        for m in all_members(types, t):
            if m[0] == head:
                return int(m[1]) + end_of(types, types.strip(m[2]), rest)
    return next(off + size for name, off, size, *_ in types.members(t) if name == head)


def all_members(types: Types, t: Type, base: int = 0) -> Iterator[tuple[str, int, int]]:
    for m in t["members"]:
        off, inner = base + m["bits_offset"] // 8, types.strip(m["type_id"])
        if m["name"] == "(anon)" and inner["kind"] in ("STRUCT", "UNION"):
            yield from all_members(types, inner, off)
        else:
            yield m["name"], off, m["type_id"]


LAYOUTS_CODE = '''
from __future__ import annotations

from beespace.values import frozen

__all__ = ["Field", "Layout", "layout", "layout_names"]


@frozen
class Field:
    """A member: byte offset, size in bytes, C type; for a bit field its first bit and width in the ``size`` bytes."""

    name: str
    off: int
    size: int
    ctype: str
    bit_off: int = 0
    bits: int = 0


@frozen
class Layout:
    """A struct or union; anonymous members are flattened into it, so fields may overlap."""

    name: str
    size: int
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The member *name*. :raises KeyError: there is none."""
        for member in self.fields:
            if member.name == name:
                return member
        raise KeyError(f"struct {self.name} has no member {name}")

    def at(self, off: int) -> Field | None:
        """The first member that covers byte *off*, None in padding."""
        return next((m for m in self.fields if m.off <= off < m.off + m.size), None)


def layout_names() -> tuple[str, ...]:
    """Every struct that layout() knows."""
    return tuple(_LAYOUTS)


def layout(name: str) -> Layout:
    """The layout of ``struct`` (or union) *name*. :raises KeyError: it is not in this table."""
    size, rows = _LAYOUTS[name]
    return Layout(name, size, tuple(Field(*row) for row in rows))


'''


def layouts(types: Types) -> str:
    out = [heading("Layouts of user-visible structs on x86-64."), LAYOUTS_CODE]
    out.append("_Row = tuple[str, int, int, str] | tuple[str, int, int, str, int, int]\n")
    out.append("_LAYOUTS: dict[str, tuple[int, tuple[_Row, ...]]] = {\n")
    chosen = [t for t in types.all if t["kind"] in ("STRUCT", "UNION") and LAYOUTS.fullmatch(t["name"])]
    for t in sorted(chosen, key=lambda t: str(t["name"])):
        if t["name"].endswith("__safe_trusted"):
            continue
        out.append(f'    "{t["name"]}": ({t["size"]}, (\n')
        for row in types.members(t):
            shown = row if row[5] else row[:4]
            out.append("        (" + ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in shown) + "),\n")
        out.append("    )),\n")
    out.append("}\n")
    return "".join(out)


@functools.cache
def source() -> Path:
    """The headers: of LINUX_SOURCE, or unpacked from Debian's package for as long as this runs."""
    if where := os.environ.get("LINUX_SOURCE"):
        return Path(where)
    folder = tempfile.mkdtemp(prefix="gen_uapi.")
    atexit.register(shutil.rmtree, folder)
    top = PACKAGED.name.removesuffix(".tar.xz")
    subprocess.run(["tar", "-C", folder, "-xf", PACKAGED, f"{top}/include", f"{top}/kernel/bpf"], check=True)
    return Path(folder) / top


@functools.cache
def missing_input() -> str:
    """Why the files cannot be generated here, or ""."""
    if not platform.release().startswith(VERSION + "."):
        return f"this kernel is {platform.release()}, not {VERSION}"
    if not VMLINUX.exists():
        return f"{VMLINUX} does not exist"
    if "LINUX_SOURCE" not in os.environ and not PACKAGED.exists():
        return f"{PACKAGED} is not there (package linux-source-6.12, or set LINUX_SOURCE to an unpacked one)"
    return ""


def generate() -> dict[str, str]:
    """File name -> text."""
    types = Types(VMLINUX)
    bpf, enums = constants(types)
    return {"bpf.py": bpf, "enums.py": enums, "attr.py": records(types), "layouts.py": layouts(types)}


def main() -> int:
    parser = argparse.ArgumentParser(description="generate src/beespace/uapi")
    parser.add_argument("--check", action="store_true", help="only compare")
    args = parser.parse_args()
    if reason := missing_input():
        print(reason, file=sys.stderr)
        return MISSING
    stale = []
    for name, text in generate().items():
        path = OUT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not args.check:
                path.write_text(text)
    if args.check and stale:
        print(f"not current: {', '.join(stale)}; run tools/gen_uapi.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
