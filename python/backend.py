"""backend.py: makes the wheel of the Python package with the standard library alone (PEP 517). A wheel is
a ZIP file: the modules, the shared library, the table of its interface, and what pip wants to know.

    python3 backend.py LIBRARY FOLDER [--unpacked]

As pip's backend (pip wheel ./python) it has make build the library first."""
import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
DATE = (2026, 1, 1, 0, 0, 0)  # the same files give the same bytes


def defined(name):
    """What mote.h says, without quotes."""
    text = (ROOT / "include" / "mote.h").read_text()
    return re.search(rf'^#define {name} "?([^"\n]*)"?$', text, re.M)[1]


def platform(library):
    """manylinux_2_N: the newest glibc that the library asks for."""
    base = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    needs = [tuple(map(int, v)) for v in re.findall(rb"GLIBC_(\d+)\.(\d+)", library)]
    if not base.startswith("linux_") or not needs:
        return base
    return "manylinux_{}_{}_{}".format(*max(needs), base[len("linux_"):])


def contents(library):
    """{name in the package: bytes}"""
    files = {f"mote/{p.name}": p.read_bytes() for p in sorted((HERE / "mote").iterdir()) if p.is_file()}
    files["mote/mote.abi"] = (ROOT / "include" / "mote.abi").read_bytes()
    files[f"mote/{library.name}"] = library.read_bytes()
    return files


def metadata(version, tag):
    text = (HERE / "pyproject.toml").read_text()
    summary = re.search(r'^description = "(.*)"', text, re.M)[1]
    folder = f"mote-{version}.dist-info"
    head = (f"Metadata-Version: 2.1\nName: mote\nVersion: {version}\nSummary: {summary}\nLicense: MIT\n"
            "Requires-Python: >=3.8\nProvides-Extra: numpy\nRequires-Dist: numpy; extra == 'numpy'\n")
    return {f"{folder}/METADATA": head.encode(), f"{folder}/LICENSE": (ROOT / "LICENSE").read_bytes(),
            f"{folder}/WHEEL": f"Wheel-Version: 1.0\nGenerator: mote\nRoot-Is-Purelib: false\nTag: {tag}\n"
            .encode()}, f"{folder}/RECORD"


def make(library, folder):
    """The name of the wheel, made in a folder."""
    version, raw = defined("MOTE_VERSION"), library.read_bytes()
    tag = f"py3-none-{platform(raw)}"
    more, record = metadata(version, tag)
    files, lines = {**contents(library), **more}, []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"mote-{version}-{tag}.whl"
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as z:
        for path, data in files.items():
            info = zipfile.ZipInfo(path, DATE)
            info.external_attr, info.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            z.writestr(info, data)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    library = pathlib.Path("build", "plain", "stripped", "libmote.so." + defined("MOTE_ABI"))
    subprocess.run(["make", "-C", str(ROOT), "CONFIG=release", "BLAS=0", "B=build/plain", str(library)],
                   check=True, stdout=sys.stderr)
    return make(ROOT / library, pathlib.Path(wheel_directory))


def main(library, folder, unpacked=""):
    library, folder = pathlib.Path(library), pathlib.Path(folder)
    if not unpacked:
        print(folder / make(library, folder))
        return
    for name, data in contents(library).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
