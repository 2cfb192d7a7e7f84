"""The five services and the command line: composition roots and thin loops."""
