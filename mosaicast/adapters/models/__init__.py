"""Every model in one list: where its weights come from, and whether they are what they should be. `fetch` gets them."""

from mosaicast.adapters.models.files import State, inspect, require
from mosaicast.adapters.models.profile import NetworkProfile, profile_of
from mosaicast.adapters.models.registry import Model, Registry, load

__all__ = ["Model", "NetworkProfile", "Registry", "State", "inspect", "load", "profile_of", "require"]
