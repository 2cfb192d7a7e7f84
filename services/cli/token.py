"""`mosaicast token`: a lost administrator's token."""

import typer

from services.cli.failures import CommandError
from services.cli.folders import DataDir, settings_for
from services.cli.printing import AsJson, print_json

token = typer.Typer(no_args_is_help=True, help="The administrator's token.")


@token.callback()
def _of_the_administrator() -> None:
    """The administrator's token."""


@token.command("reset")
def token_reset(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make a new administrator's token and print it, this once; the old one is refused from now on.

    It is for whoever may write the database; the api may run or not.
    """
    from mosaicast.adapters.database.storage import Storage
    from mosaicast.runtime import rights
    from services.api.secrets import digest, new_secret

    rights.make_private()
    settings = settings_for(data_dir)
    preset = settings.api.admin_token
    if preset is not None and preset.get_secret_value().strip():
        raise CommandError("MOSAICAST_API__ADMIN_TOKEN presets the token: change it there, and restart the api")
    file = settings.data_dir / "mosaicast.db"
    if settings.database.url is None and not file.exists():
        raise CommandError(
            f"there is no database in {settings.data_dir}: the first `mosaicast up` makes it and a token"
        )
    storage = Storage(settings.database.url or f"sqlite:///{file}")
    try:
        storage.require_current()
        made = new_secret()
        storage.keep_secret("admin_token", digest(made))
    finally:
        storage.close()
    if as_json:
        return print_json({"token": made})
    return typer.echo(f"administrator token (shown this once): {made}")
