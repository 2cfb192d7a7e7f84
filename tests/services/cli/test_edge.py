"""The edge's configuration."""

import re
import resource
import shutil
import socket
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicast.runtime.ports import PortTakenError, free_ports, require_free
from services.cli import edge

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> edge.EdgeConfig:
    ports = free_ports(5)
    return edge.EdgeConfig(
        folder=tmp_path / "edge",
        hls_folder=tmp_path / "hls",
        host="127.0.0.1",
        rtmp_port=ports[0],
        services_port=ports[1],
        inner_port=ports[2],
        http_port=ports[3],
        control_port=ports[4],
        hooks_url="http://127.0.0.1:8000/hooks/edge",
        token="to/ken?&",
        control_token="c" * 43,
    )


def test_nginx_takes_the_configuration(config: edge.EdgeConfig) -> None:
    command = edge.prepare(config)
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_configuration_holds_a_secret_and_is_private(config: edge.EdgeConfig) -> None:
    edge.prepare(config)
    assert (config.folder / "nginx.conf").stat().st_mode & 0o077 == 0


def test_the_token_is_quoted(config: edge.EdgeConfig) -> None:
    text = edge.render(config, ["/module.so"])
    assert "token=to%2Fken%3F%26" in text
    assert "to/ken" not in text


def test_every_placeholder_is_filled_in_and_explained(config: edge.EdgeConfig) -> None:
    used = set(re.findall(r"\$\{(\w+)\}", edge.template()))
    explained = set(re.findall(r"^#   (EDGE_\w+) +\w", edge.template(), re.MULTILINE))
    assert used == explained
    assert len(used) == 17
    assert "${" not in edge.render(config, ["/module.so"]).replace("${EDGE_...}", "")


def test_envsubst_fills_the_template_in_as_we_do(config: edge.EdgeConfig) -> None:
    """A later image has no Python at hand: it takes GNU's envsubst, told which names are placeholders."""
    tool = shutil.which("envsubst")
    if tool is None:
        pytest.skip("no envsubst here (package gettext-base)")
    names = sorted(set(re.findall(r"\$\{(EDGE_\w+)\}", edge.template())))
    marks = "\n".join(f"{name}=${{{name}}}" for name in names)
    values = {name: f"value of {name}" for name in names}
    done = subprocess.run(
        [tool, " ".join(f"${{{name}}}" for name in names)], input=edge.template() + marks, capture_output=True,
        text=True, check=True, env=values,
    )  # fmt: skip
    filled = re.sub(r"\$\{(EDGE_[A-Z_]+)\}", lambda found: values[found.group(1)], edge.template() + marks)
    assert done.stdout == filled
    assert "$binary_remote_addr" in done.stdout


def test_an_edge_on_another_machine_runs_with_what_its_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "second-edge.md").read_text()
    values = dict(re.findall(r"^ +(EDGE_[A-Z_]+)='?([^'\n]*)'?$", page, re.MULTILINE))
    assert values.keys() == set(re.findall(r"\$\{(EDGE_\w+)\}", edge.template()))
    nginx, modules = edge.find_nginx()
    values |= {
        "EDGE_MODULES": " ".join(f"load_module {module};" for module in modules),  # where they are here
        "EDGE_FOLDER": str(tmp_path),
        "EDGE_CONTROL_HOST": "127.0.0.1",
    }
    ports = [name for name in values if name.endswith("_PORT")]
    values |= dict(zip(ports, map(str, free_ports(len(ports))), strict=True))
    text = re.sub(r"\$\{(EDGE_[A-Z_]+)\}", lambda found: values[found.group(1)], edge.template())
    (tmp_path / "nginx.conf").write_text(text)
    command = [nginx, "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_missing_template_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(edge, "TEMPLATES", (tmp_path / "nginx.conf.template",))
    with pytest.raises(edge.EdgeMissingError, match="install Mosaicast again"):
        edge.template()


def test_the_package_has_the_template_where_it_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    ((source, target),) = included.items()
    assert (ROOT / target, ROOT / source) == edge.TEMPLATES
    assert edge.TEMPLATES[1].is_file()


def test_stream_keys_reach_no_log(config: edge.EdgeConfig) -> None:
    text = edge.render(config, ["/module.so"])
    assert "error_log stderr error;" in text, "at info the module writes keys"
    assert text.count("access_log off;") == 2


def test_a_missing_edge_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MODULE_FOLDERS", ("/nowhere",))
    with pytest.raises(edge.EdgeMissingError, match="make setup"):
        edge.find_nginx()


@pytest.mark.parametrize("lacking", ["rtmp", "stream"])
def test_a_missing_module_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    for name in {"rtmp", "stream"} - {lacking}:
        (tmp_path / f"ngx_{name}_module.so").touch()
    monkeypatch.setattr(edge, "MODULE_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr("services.cli.edge.shutil.which", lambda *_, **__: "/nginx")
    with pytest.raises(edge.EdgeMissingError, match=f"libnginx-mod-{lacking}"):
        edge.find_nginx()


def test_only_the_door_is_open_to_others(config: edge.EdgeConfig) -> None:
    text = edge.render(replace(config, host="0.0.0.0"), ["/module.so"])
    listens = re.findall(r"listen ([^ ;]+)", text)
    assert {one for one in listens if not one.startswith("127.0.0.1:")} == {
        f"0.0.0.0:{config.rtmp_port}", f"0.0.0.0:{config.http_port}",
    }  # fmt: skip
    assert len(listens) == 5


def test_a_taken_port_names_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTakenError, match="--rtmp-port"):
            require_free("127.0.0.1", taken.getsockname()[1], "--rtmp-port")


def test_port_zero_is_any_port() -> None:
    assert require_free("127.0.0.1", 0, "--rtmp-port") > 0


def test_pictures_that_earlier_versions_left_are_deleted(config: edge.EdgeConfig) -> None:
    left = config.folder / "hls" / "stream-1.ts"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"pictures")
    edge.prepare(config)
    assert not left.parent.exists()


def test_the_edge_has_a_limit_of_memory(config: edge.EdgeConfig) -> None:
    assert f"--as={config.memory_bytes}" in edge.prepare(config)


def test_the_edge_may_open_a_file_for_each_connection(config: edge.EdgeConfig) -> None:
    command = edge.prepare(config)
    lowered = ["prlimit", "--nofile=1024:", "--", *command[: command.index("--") + 1], "sh", "-c", "ulimit -n"]
    allowed = int(subprocess.run(lowered, capture_output=True, text=True, check=True).stdout)
    (connections,) = re.findall(r"worker_connections (\d+)", (config.folder / "nginx.conf").read_text())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert allowed >= int(connections) or allowed == hard
