"""Face embedders behind one port."""

from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.embedders.port import Embedder, Face

__all__ = ["DlibResnet", "Embedder", "Face", "FacenetCasia"]
