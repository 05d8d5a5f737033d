"""Nothing is asked of a network that the user did not ask for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli_cases import Command

NO_NETWORK = """
import os, socket

def refuse(*arguments, **options):
    with open(os.environ["ATTEMPTS"], "a") as file:
        file.write(f"{arguments}\\n")
    raise OSError("this process has no network")

class Socket(socket.socket):
    def connect(self, address):
        return super().connect(address) if self.family == socket.AF_UNIX else refuse(address)

    connect_ex = sendto = connect

socket.socket = Socket
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refuse
"""

COMMANDS = """
import sys
import tailwise.cli

for line in sys.argv[1].splitlines():
    sys.argv[1:] = line.split()
    try:
        tailwise.cli.main()
    except SystemExit as end:
        assert not end.code, line
"""

LINES = """\
inspect digits --out inspect.html
train digits/long-tailed-if20 --set training.epochs=1 --out run
compare digits/long-tailed-if20 --loss ce,gppe --seeds 0-1 --jobs 2 --set training.epochs=1
evaluate run
report runs -o report.html
rank runs
predict run new.npz
predict run new.npz --out predictions.csv
losses show gppe --out loss.png
datasets"""


def without_network(here: Path, program: str, *words: str) -> tuple[int, str, str]:
    """Run a program none of whose processes can reach a network: its exit code, stderr, and what it tried."""
    (here / "sitecustomize.py").write_text(NO_NETWORK)
    attempts = here / "attempts"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"ATTEMPTS": str(attempts), "PYTHONPATH": os.pathsep.join((str(here), *sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=here, env=environment, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stderr, attempts.read_text() if attempts.exists() else ""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """This process without a network; what was asked of it."""
    asked: list[object] = []

    def refuse(*arguments: object, **options: object) -> None:
        asked.append(arguments)
        raise OSError("this process has no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return asked


def test_run_is_trained_tested_reported_and_used_without_a_network(
    here: Path, no_network: list[object], tailwise_command: Command
) -> None:
    train = ("train", "digits/long-tailed-if20", "--set", "training.epochs=1", "--out", "runs/new")
    for words in (train, ("evaluate", "run"), ("report", "runs"), ("predict", "run", "new.npz"), ("inspect", "digits")):
        assert tailwise_command(*words)[0] == 0, words
    assert no_network == []


def test_network_of_another_hub_is_refused_before_anything_is_asked(
    here: Path, no_network: list[object], timm_importable: None, tailwise_command: Command
) -> None:
    settings = ("--set", "model={name: 'timm/hf-hub:someone/model', pretrained: true}", "--out", "new")
    code, _, error = tailwise_command("train", "digits/long-tailed-if20", *settings)
    assert code == 2
    assert "timm has no network named 'hf-hub:someone/model'" in error
    assert no_network == []


@pytest.mark.long
def test_every_command_on_data_that_are_there_works_without_a_network(tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", inputs=np.zeros((2, 8, 8, 1), np.uint8))
    code, error, attempts = without_network(tmp_path, COMMANDS, LINES)
    assert code == 0, error
    assert attempts == ""


@pytest.mark.long
def test_what_is_refused_is_noticed(tmp_path: Path) -> None:
    program = "import urllib.request; urllib.request.urlopen('http://example.com')"
    code, _, attempts = without_network(tmp_path, program)
    assert code == 1
    assert "example.com" in attempts
