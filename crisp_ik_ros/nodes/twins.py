"""Whether another node serves the same name: a client's request goes to both, and it takes the first answer."""

from __future__ import annotations

from rclpy.node import Node


class Twins:
    """Counts the servers of one name, and tells the log when that becomes more than one, or one again.

    It does not keep a node from starting: for some seconds a node that crashed still counts, and the one that takes its
    place must serve at once.

    Parameters
    ----------
    node : Node
    name : str
        Of the service.

    Attributes
    ----------
    warning : bool
        Whether there is another at present.
    """

    def __init__(self, node: Node, name: str):
        self._node, self._name = node, node.resolve_service_name(name)
        self.warning = False

    def count(self) -> int:
        """Servers of the name that are known; -1 where rclpy cannot tell (before Jazzy)."""
        if not hasattr(self._node, "count_services"):
            return -1
        count = self._node.count_services(self._name)
        if (count > 1) != self.warning:
            self.warning = count > 1
            log = self._node.get_logger()
            if self.warning:
                log.warning(
                    f"{count} nodes serve {self._name}: a client takes the answer that comes first, whichever's it is "
                    "(one that crashed counts for some seconds more)"
                )
            else:
                log.info(f"{self._name} has one server again")
        return count
