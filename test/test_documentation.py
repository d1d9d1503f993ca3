"""What README and docs say is there, and that the documentation can be built."""

import re
import subprocess
import sys

import pytest
import yaml
from oracles import ROOT
from snippets import BEGIN, CODE, OUTPUT, PAGES, RUN, blocks_of, missing_lines, run_page

sys.path.append(str(ROOT / "docs" / "_ext"))
import declared

README = (ROOT / "README.md").read_text()
LINK = re.compile(r"\]\(([^)\s]+)\)")
names = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("node", declared.nodes())
def test_every_parameter_of_a_node_is_in_the_reference_with_its_default(node):
    parameters = {parameter.name: parameter for parameter in declared.parameters_of(node)}
    written = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text())["/**"]["ros__parameters"]
    assert set(written) <= set(parameters)
    for name, value in written.items():
        parameter = parameters[name]
        assert parameter.description
        assert not parameter.known or value == parameter.default, (name, value, parameter.default)


def test_every_command_of_crisp_ik_in_the_pages_exists():
    import typer.main

    from crisp_ik_ros.cli import app

    commands = set(typer.main.get_command(app).commands)
    for page in PAGES:
        used = set(re.findall(r"crisp-ik ([a-z][a-z-]*)", page.read_text()))
        assert used <= commands, (page, used - commands)
    assert set(re.findall(r"crisp-ik ([a-z][a-z-]*)", README))


@pytest.mark.parametrize("page", names)
def test_files_that_a_page_links_to_exist(page):
    file = ROOT / page
    for link in LINK.findall(file.read_text()):
        if "://" not in link and not link.startswith("#"):
            assert (file.parent / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("page", names)
def test_every_block_says_whether_it_is_run(page):
    for block in blocks_of(ROOT / page):
        if block.language in CODE:
            told = block.mark in (RUN, BEGIN) or re.fullmatch(r"not run: .{8,}", block.mark)
            assert told, f"{page}, line {block.begin}: {block.mark!r}"


RUNNABLE = [
    page
    for page in PAGES
    if any(block.mark == RUN for block in blocks_of(page)) and not any(block.mark == BEGIN for block in blocks_of(page))
]


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in RUNNABLE])
def test_the_blocks_of_a_page_run(page, tmp_path):
    pytest.importorskip("pybullet_data")
    for block, printed in run_page(ROOT / page, tmp_path).items():
        assert not missing_lines(block.text, printed), printed


def test_a_page_that_needs_a_service_is_run_by_the_tests_of_the_nodes():
    served = {page.name for page in PAGES if any(block.mark == BEGIN for block in blocks_of(page))}
    assert served == {"guide.md"}


def test_every_output_that_is_shown_follows_a_block_that_runs():
    for page in PAGES:
        before = ""
        for block in blocks_of(page):
            assert block.mark != OUTPUT or (before in (RUN, OUTPUT) and block.text.strip()), (page, block.begin)
            before = block.mark


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    # Nothing is fetched from elsewhere: neither scripts, styles, fonts nor pictures.
    for page in (tmp_path / "html").rglob("*.html"):
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"(?:https?:)?//[^\"]+", text), page
    for style in (tmp_path / "html").rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//|@import", style.read_text()), style
    method = (tmp_path / "html" / "method.html").read_text()
    assert method.count("<math") > 20 and "merror" not in method


def test_the_versions_are_the_same_everywhere():
    from crisp_ik_ros import __version__

    package = re.search(r"<version>(.+?)</version>", (ROOT / "package.xml").read_text())[1]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert __version__ == package == citation
