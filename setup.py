"""How WonderQ is packaged.  It is a setup.py, and not all in pyproject.toml, for the sake of C{twisted.plugins}."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Read, not imported: an import would need what is installed later.
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "wonderq/__init__.py").read_text(encoding="utf-8"), re.M)
assert VERSION is not None

TEST = [
    "pytest>=8",
    "pytest-timeout>=2.3.1",
    "pytest-xdist>=3.6.1",
    "hypothesis>=6.100",
]

setup(
    name="wonderq",
    version=VERSION.group(1),
    description="A durable message queue that needs nothing but HTTP",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the WonderQ developers",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["message queue", "task queue", "http", "twisted", "sqlite"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Internet :: WWW/HTTP :: HTTP Servers",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
    # "." is where setuptools looks anyway, but said aloud it makes `pip install -e .` put this directory on the
    # path.  Otherwise it maps `wonderq` alone, and twistd does not see the plugin.
    package_dir={"": "."},
    # twisted.plugins is a directory that belongs to many projects and so has no __init__.py: no finder finds it.
    packages=[*find_packages(include=["wonderq", "wonderq.*"]), "twisted.plugins"],
    package_data={"wonderq": ["py.typed"]},
    python_requires=">=3.11",
    # The floors are what the tests have been run with; where there is a better reason, it stands there.
    install_requires=[
        # Refuses bare CR and LF in header values and repairs several weaknesses of its HTTP server.
        "Twisted>=26.10",
        # Typed, and goes with Werkzeug 3.
        "klein>=24.8",
        # Klein's router; a new major version may match paths differently.
        "Werkzeug>=3,<4",
        # The first with types that can be installed beside python-multipart.
        "treq>=24.9.1",
        # llhttp, Node's parser of HTTP/1.1; the oldest tried with everything in tests/http/test_bad_input.py.
        "httptools>=0.6.4",
        # Leaks no patterns; runs on Python 3.14.
        "msgspec>=0.20",
        # Brings SQLite 3.51.3: in earlier ones two connections could corrupt a WAL while it was reset.
        "apsw>=3.51.3",
        "prometheus_client>=0.20",
    ],
    extras_require={
        "test": TEST,
        "dev": [*TEST, "build>=1.2", "mypy>=1.15", "mypy-zope>=1.0.11", "ruff>=0.9"],
    },
    zip_safe=False,
)
