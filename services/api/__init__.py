"""The api: streams, people, policy, status, and the edge's hooks. The only part that users talk to."""
