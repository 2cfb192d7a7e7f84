"""Which errors are told in one sentence, and exit status 1. By name: none of their modules is imported for it."""

FAILURES = frozenset(
    {
        "mosaicast.adapters.database.base.StorageError",
        "mosaicast.adapters.gallery.store.GalleryUnavailable",
        "mosaicast.adapters.kafka.errors.BusError",
        "mosaicast.pipeline.errors.ModelError",
        "mosaicast.adapters.vault.VaultError",
        "mosaicast.runtime.settings.loading.WrongSettingsError",
        "services.cli.checkup.DoctorError",
        "services.cli.client.ApiError",
        "services.cli.edge.EdgeMissingError",
        "services.cli.failures.CommandError",
        "mosaicast.runtime.ports.PortTakenError",
        "services.cli.stack.StackError",
    }
)


class CommandError(Exception):
    """A command can't do what it was asked; the text is for the user, and says what to do."""


def is_failure(exc: BaseException) -> bool:
    """Return whether an error, or what it is a kind of, is one that users are told about; others are bugs."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in FAILURES for kind in type(exc).__mro__)
