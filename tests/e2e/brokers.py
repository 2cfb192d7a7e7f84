"""A stack whose broker can be stopped and emptied by a test.

The embedded broker runs in a process of its own here, as it does in `mosaicast up`'s: a test that stopped its own
process would stop itself. `python -m tests.e2e.brokers` is that process.
"""

import os
import shutil
import signal
import subprocess
import sys
from typing import IO, Literal

from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.kafka.server import KafkaServer
from mosaicast.runtime.children import die_with_parent
from services.cli.stack import Progress, Stack, StackOptions


class BrokerStack(Stack):
    """A stack that knows its broker."""

    def __init__(self, options: StackOptions) -> None:
        super().__init__(options)
        self._server: KafkaServer | None = None
        self._host: subprocess.Popen[bytes] | None = None

    @property
    def broker(self) -> Literal["embedded", "real"]:
        """Which one."""
        return self.options.kafka

    @property
    def broker_pid(self) -> int:
        """Its process."""
        return self._server.pid if self._server is not None else self._host.pid if self._host is not None else 0

    def signal_broker(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.broker_pid, number)

    def empty_broker(self) -> None:
        """Kill Kafka and delete its logs; it is started again at the same address by its keeper."""
        assert self._server is not None
        self.signal_broker(signal.SIGKILL)
        shutil.rmtree(self._server.data)

    def _start_broker(self, progress: Progress) -> str:
        if self.options.kafka == "real":
            self._server = KafkaServer(self.options.data_dir / "kafka")
            return self._resources.enter_context(self._server).bootstrap
        command = die_with_parent([sys.executable, "-m", "tests.e2e.brokers"])
        self._host = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._resources.callback(self._end_host, self._host)
        return _line(self._host.stdout)

    @staticmethod
    def _end_host(host: "subprocess.Popen[bytes]") -> None:
        host.kill()
        host.wait()
        assert host.stdout is not None
        host.stdout.close()


def _line(stdout: IO[bytes] | None) -> str:
    assert stdout is not None
    return stdout.readline().decode().strip()


if __name__ == "__main__":
    with EmbeddedBroker() as broker:
        sys.stdout.write(f"{broker.bootstrap}\n")
        sys.stdout.flush()
        signal.pause()
