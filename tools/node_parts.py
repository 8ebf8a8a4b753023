"""Install what NEXUS takes from Node, `tools/node`, where that is possible; say so where it is not."""

from nexus.gateway.federation.toolbox import NoNode, Toolbox


def main() -> None:
    """Install the packages of the lock file, unless they are there."""
    try:
        toolbox = Toolbox.find()
        if not toolbox.ready:
            print("Installing the packages for Node (once) …", flush=True)
            toolbox.install()
    except NoNode as why:
        print(f"The tests with tools of Node are skipped: {why}")


if __name__ == "__main__":
    main()
