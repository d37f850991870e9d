"""The command that runs the job for ever: daemon."""

import click

from forecaster.cli.invocation import Invocation, allowed_plugins


@click.command()
@click.pass_obj
def daemon(invocation: Invocation) -> None:
    """Do the daily job for every session, for ever.

    Each session of each calendar in use is worked once it has closed and settled, on time or
    late. The configuration is read again every minute. Ctrl-C or SIGTERM ends it; what was not done
    then is done at the next start. `forecaster health` tells from outside how it is.
    """
    from forecaster.daemon.signals import leave_on_signals

    leave_on_signals()
    from forecaster.daemon.serve import serve

    plugins = allowed_plugins()
    serve(invocation.settings, plugins=None if plugins is None else tuple(plugins))


COMMANDS = (daemon,)
