"""The command line as people meet it: output, JSON, exit codes, errors for wrong input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from beespace.api.pcap import read_capture
from beespace.cli.main import EXIT_INPUT, EXIT_NO, app, exit_code
from beespace.errors import ElfError, SyscallError, Unsupported, VerifierError

FLOWS = Path(__file__).parents[3] / "examples/flows/flows.bpf.o"
PCAP = Path(__file__).parents[3] / "examples/flows/traffic.pcap"


@pytest.fixture(scope="module")
def beespace_cli():
    from beespace.cli import diff, dump, features, fuzz, run, verify

    if not app.registered_commands:
        for module in (run, verify, dump, diff, fuzz, features):
            module.register(app)
    runner = CliRunner()

    def call(*args):
        result = runner.invoke(app, [str(arg) for arg in args])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def test_run_on_a_capture_shows_the_flows(beespace_cli):
    result = beespace_cli("run", FLOWS, "count_xdp", "--pcap", PCAP, "--map", "flows")
    assert result.exit_code == 0
    assert "flows: 16 entries" in result.stdout
    assert "::ffff:127.0.0.1" in result.stdout
    assert "XDP_PASS" in result.stdout


def test_timeline_shows_what_timers_do_in_the_time_that_passes(beespace_cli):
    expiry = FLOWS.parents[1] / "expiry" / "expiry.bpf.o"
    packet = bytes(12) + b"\x08\x00" + bytes([0x45, 0, 0, 20]) + bytes(8) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    result = beespace_cli("run", expiry, "--data", packet.hex(), "--advance", 31, "--timeline")
    lines = [line for line in result.stdout.splitlines() if " cpu0 timer_" in line]
    key = "flows[0a0000010a00000200000000]"
    assert [line.split() for line in lines] == [
        ["10.000000000", "cpu0", "timer_init", key],
        ["10.000000000", "cpu0", "timer_set_callback", key, "expire()"],
        ["10.000000000", "cpu0", "timer_start", key, "expire()", "due", "40.000000000"],
        ["40.000000000", "cpu0", "timer_fire", key, "expire()"],
        ["40.000000000", "cpu0", "timer_free", key],
    ]
    assert beespace_cli("run", expiry, "--timeline", "--backend", "linux").exit_code in (EXIT_INPUT, EXIT_NO, 3)


def test_run_as_json_has_every_packet_and_typed_map_contents(beespace_cli):
    result = beespace_cli("run", FLOWS, "count_xdp", "--pcap", PCAP, "--json")
    record = json.loads(result.stdout)
    packets = list(read_capture(str(PCAP)))
    assert len(record["runs"]) == len(packets)
    assert {run["verdict"] for run in record["runs"]} == {"XDP_PASS"}
    flows = record["maps"]["flows"]
    assert sum(flow["value"]["packets"] for flow in flows) + sum(record["maps"]["totals"][2]["values"]) == len(packets)
    assert {flow["key"]["proto"] for flow in flows} == {6, 17}


def test_both_hooks_count_the_same_bytes(beespace_cli):
    totals = []
    for prog in ("count_xdp", "count_tc"):
        record = json.loads(beespace_cli("run", FLOWS, prog, "--pcap", PCAP, "--json").stdout)
        totals.append([sum(entry["values"]) for entry in record["maps"]["totals"]])
    assert totals[0] == totals[1]


def test_constants_are_set_before_loading(beespace_cli):
    args = ("run", FLOWS, "count_xdp", "--pcap", PCAP, "--json", "--set", "only_proto=17")
    flows = json.loads(beespace_cli(*args).stdout)["maps"]["flows"]
    assert {flow["key"]["proto"] for flow in flows} == {17}


def test_verdicts_go_into_a_pcapng(beespace_cli, tmp_path):
    out = tmp_path / "verdicts.pcapng"
    assert beespace_cli("run", FLOWS, "count_xdp", "--pcap", PCAP, "--write", out).exit_code == 0
    assert [packet.data for packet in read_capture(str(out))] == [packet.data for packet in read_capture(str(PCAP))]


def test_verify_accepts_the_example(beespace_cli):
    result = beespace_cli("verify", FLOWS)
    assert result.exit_code == 0
    assert result.stdout.count("accepted (") == 2


def test_verify_prints_the_log(beespace_cli):
    result = beespace_cli("verify", FLOWS, "--prog", "count_xdp", "--log", "--log-level", "2")
    assert "0: R1=ctx() R10=fp0" in result.stdout
    assert "processed " in result.stdout


def test_verify_csv_has_veristats_columns(beespace_cli):
    lines = beespace_cli("verify", FLOWS, "--csv").stdout.splitlines()
    assert lines[0].startswith("file_name,prog_name,verdict,duration,total_insns,total_states,peak_states")
    assert lines[1].startswith("flows.bpf.o,count_xdp,success,")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("run", "nowhere.bpf.o"), EXIT_INPUT, "nowhere.bpf.o"),
        (("run", FLOWS), EXIT_INPUT, "which program?"),
        (("run", FLOWS, "nope"), EXIT_INPUT, "no program 'nope'"),
        (("run", FLOWS, "count_xdp", "--data", "zz"), EXIT_INPUT, "hexadecimal"),
        (("run", FLOWS, "count_xdp", "--data", "00", "--map", "nope"), 4, "BPF_PROG_TEST_RUN"),
        (("run", FLOWS, "count_xdp", "--set", "nope=1", "--data", "00"), EXIT_INPUT, "no global variable"),
        (("run", FLOWS, "count_xdp", "--set", "nope", "--data", "00"), EXIT_INPUT, "VAR=VALUE"),
        (("run", PCAP, "count_xdp"), EXIT_INPUT, "ELF"),
        (("run", FLOWS, "count_xdp", "--pcap", FLOWS), EXIT_INPUT, "not a capture"),
    ],
)
def test_wrong_input_is_one_clear_line(beespace_cli, args, code, message):
    result = beespace_cli(*args)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_dump_maps_and_xlated(beespace_cli):
    assert "percpu_array" in beespace_cli("dump", "maps", FLOWS).stdout
    text = beespace_cli("dump", "xlated", FLOWS, "count_xdp").stdout
    assert "int count_xdp(struct xdp_md * ctx):" in text
    assert "exit" in text


def test_dump_btf_as_c_and_raw(beespace_cli):
    assert "struct flow_key {" in beespace_cli("dump", "btf", FLOWS).stdout
    assert "STRUCT 'flow_key' size=40" in beespace_cli("dump", "btf", FLOWS, "--format", "raw").stdout


def test_exit_codes_tell_kinds_of_failure_apart():
    errors = (VerifierError("no", errno=13), Unsupported("x"), SyscallError(1, "x"), ElfError("x"))
    assert [exit_code(error) for error in errors] == [EXIT_NO, 3, 4, EXIT_INPUT]


@pytest.mark.slow
def test_the_command_itself_starts():
    out = subprocess.run(
        [sys.executable, "-c", "from beespace.cli import main; main()", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for command in ("run", "verify", "dump", "diff", "fuzz", "features"):
        assert command in out.stdout
