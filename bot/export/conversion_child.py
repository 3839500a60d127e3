"""The child that runs the real exporter, `optimum-cli export openvino`."""

from __future__ import annotations

from bot.export.child_process import die_with_parent


def main() -> None:
    """Pass the command line on to optimum-cli."""
    die_with_parent()
    from optimum.commands.optimum_cli import main as optimum_cli

    optimum_cli()


if __name__ == "__main__":
    main()
