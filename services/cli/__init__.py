"""The command line: `mosaicast up`, its one-machine stack, and the commands of users."""
