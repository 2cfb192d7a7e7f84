"""One library each; a library's errors end here and become ours."""
