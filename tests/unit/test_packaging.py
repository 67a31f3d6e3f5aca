"""What the wheel holds, and that every import is declared in the extra of its service."""

import re
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = ("services", "shared", "science", "deploy")
# Libraries that are imported directly but whose version another library chooses.
COMES_WITH = {"botocore": "aioboto3", "pydantic-core": "pydantic", "pymongo": "motor", "yarl": "aiohttp"}
DISTRIBUTIONS = packages_distributions()


def distribution_of(module: str) -> str:
    """Return the normalized name of the distribution that holds a top-level module."""
    name = normalized(DISTRIBUTIONS[module][0])
    return COMES_WITH.get(name, name)


def normalized(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def declared(*extras: str) -> set[str]:
    project = PYPROJECT["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {normalized(requirement) for requirements in lists for requirement in requirements}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*OURS, include_external_packages=True, cache_dir=None)


def external(graph: grimp.ImportGraph, package: str) -> set[str]:
    """Return the distributions that a package imports, directly and through what else of ours it imports."""
    modules = {package, *graph.find_descendants(package), *graph.find_upstream_modules(package, as_package=True)}
    tops = {module.split(".")[0] for module in modules}
    return {distribution_of(top) for top in tops if top not in (*OURS, "tests", *sys.stdlib_module_names)}


def test_the_wheel_holds_services_and_shared_alone():
    include = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    folders = {
        path.parent.relative_to(ROOT) for top in (*OURS, "tests", "examples") for path in (ROOT / top).rglob("*.py")
    }
    packages = {".".join(folder.parts) for folder in folders}
    packed = {package for package in packages if any(fnmatchcase(package, pattern) for pattern in include)}
    assert packed == {package for package in packages if package.split(".")[0] in ("services", "shared")}
    assert {"services.classify.model", "services.dedoppler.kernels", "shared.filterbank.hdf5"} < packed


def test_the_model_is_in_the_wheel():
    model = ROOT / "services/classify/model"
    data = {path.name for path in model.iterdir() if path.is_file() and path.suffix != ".py"}
    assert data == set(PYPROJECT["tool"]["setuptools"]["package-data"]["services.classify.model"])


@pytest.mark.parametrize("service", ["gateway", "ingest", "dedoppler", "classify", "export"])
def test_every_import_of_a_service_is_in_its_extra(graph, service):
    assert external(graph, f"services.{service}") <= declared(service)


@pytest.mark.parametrize(("package", "extras"), [("deploy", ["local"]), ("science", ["science", "peers"])])
def test_every_import_of_what_is_not_in_the_wheel_is_in_an_extra(graph, package, extras):
    assert external(graph, package) <= declared(*extras)
