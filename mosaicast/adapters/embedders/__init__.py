"""Face embedders behind one port."""

from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.embedders.factory import make_embedder
from mosaicast.adapters.embedders.port import Embedder, Face

__all__ = ["ArcFace", "DlibResnet", "Embedder", "Face", "FacenetCasia", "make_embedder"]
