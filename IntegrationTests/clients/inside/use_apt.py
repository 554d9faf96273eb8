"""apt: updates from a repository and downloads a package. The agent is no root, so apt gets folders of its own."""

from probe import PASSWORD, URL, case, denial
from programs import WORK, run


def apt(name, source, logins=""):
    root = WORK / "apt" / name
    for folder in ("lists/partial", "archives/partial", "conf/apt.conf.d", "conf/auth.conf.d", "conf/preferences.d"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    (root / "conf/auth.conf").write_text(logins)
    (root / "sources").write_text(f"deb [trusted=yes] {source}\n")
    (root / "conf/settings").write_text("\n".join([
        f'Dir::Etc "{root}/conf";', f'Dir::Etc::SourceList "{root}/sources";', f'Dir::State "{root}";',
        f'Dir::State::status "{root}/status";', f'Dir::Cache "{root}";', f'Dir::Log "{root}";', 'Acquire::Retries "0";', ""]))
    variables = {"APT_CONFIG": str(root / "conf/settings")}
    said = run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update", **variables)
    if said.startswith("exit code"):
        return said
    said = run("sh", "-c", f"cd {root} && apt-get -q download palana-probe", **variables)
    if said.startswith("exit code"):
        return said
    return run("sh", "-c", f"dpkg-deb -x {root}/palana-probe_1.0_all.deb {root}/out && cat {root}/out/usr/share/palana-probe/answer")


@case
def https():
    return apt("https", URL["web"] + "/debian stable main")


@case
def http():
    return apt("http", URL["plain"] + "/debian stable main")


@case
def flat():
    """A repository without suites; apt asks it for paths with a dot."""
    return apt("flat", URL["web"] + "/debian ./")


@case
def credential():
    """The credential stands in apt's own file, not in the URL."""
    return apt("credential", URL["web"] + "/locked/debian stable main", f'machine {URL["web"].split("://")[1]} login user password {PASSWORD}\n')


@case
def denied():
    return denial(apt("denied", URL["denied"] + "/debian stable main"))
