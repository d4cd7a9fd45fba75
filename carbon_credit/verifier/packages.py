"""The methodology inside a dossier: read, its digest computed, compiled with its dimensions checked."""

from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import OVERLAY, package_from_files
from carbon_credit.verifier import manifest as claims
from carbon_credit.verifier.container import Container
from carbon_credit.verifier.manifest import Manifest, Method
from carbon_credit.verifier.report import differs

FOLDER = "methodology/"
NETWORKS = FOLDER + "networks/"
_MAX_BYTES = 1 << 20
_MAX_NETWORK = 8 << 20


def folder_of(method_id: str, version: str) -> str:
    """Where the files of a package stand: `methodology/sz-public-transit/v1/`."""
    return f"{FOLDER}{method_id}/{version}/"


def network_file(digest: str) -> str:
    """Where a network by which distances were computed stands, named by its sha256."""
    return f"{NETWORKS}{digest}.csv"


def read_method(container: Container, manifest: Manifest) -> CompiledMethodology:
    """The methodology of the batch, ready to evaluate. Raises Differs."""
    method = manifest.methodology
    folder = folder_of(method.id, method.version)
    files = {}
    for name in manifest.files:
        if name.startswith(folder):
            files[name.removeprefix(folder)] = container.read(name, limit=_MAX_BYTES)
        elif name.startswith(NETWORKS):
            _check_network(container, name)
        elif name.startswith(FOLDER):
            raise differs(name, "file", expected=f"only {folder} and {NETWORKS}", found="another methodology")
    return _compiled(files, folder, method, rehearsal=manifest.rehearsal)


def _compiled(
    files: dict[str, bytes], folder: str, method: Method, *, rehearsal: bool
) -> CompiledMethodology:
    try:
        package = package_from_files(files)
        compiled = compile_package(package, check_dimensions=True)
    except CarbonError as error:
        raise differs(
            folder, "package", expected="a methodology that loads", found=error.message("en")
        ) from error
    if package.digest != method.digest:
        raise differs(claims.FILE, "methodology.digest", expected=package.digest, found=method.digest)
    if set(package.files) != set(files):
        extra = sorted(set(files) - set(package.files))[0]
        raise differs(folder + extra, "file", expected="a file that the package names", found="another")
    # A version with an overlay is another one than the version without: v2+sandbox.
    if package.key != (method.id, method.version):
        found = f"{method.id} {method.version}"
        raise differs(claims.FILE, "methodology", expected=package.name, found=found)
    if package.overlay is not None and not rehearsal:
        raise differs(folder + OVERLAY, "file", expected="no stand-ins outside rehearsal", found="an overlay")
    return compiled


def _check_network(container: Container, name: str) -> None:
    digest = sha256_hex(container.read(name, limit=_MAX_NETWORK))
    if name != network_file(digest):
        raise differs(name, "name", expected=network_file(digest), found=name)
