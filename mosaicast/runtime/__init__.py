"""What every process needs: settings, logs, metrics, clocks, children, health."""
