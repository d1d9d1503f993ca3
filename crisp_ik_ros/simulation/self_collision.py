"""Whether an arm in a PyBullet world touches itself or the floor at a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from crisp_ik_ros.simulation.links import joints_and_links, link_pose
from crisp_ik_ros.transforms import Array, invert_pose, quaternion_from_matrix

# Links that are as near as that in nearly all configurations are so by construction, or their hulls overlap.
RANDOM_CONFIGURATIONS = 300
NEARLY_ALL = 0.95


class SelfCollision:
    """Distances between the links of a body, of those pairs of links that could come to touch.

    Left out are, as by MoveIt's setup assistant: links that never move to each other, links next to each other (with
    nothing but links without shape between them), and pairs that touch in the rest configuration or in nearly all
    random ones. Of pairs that are nearer than the clearance there, but do not touch, only touching counts. PyBullet
    takes the convex hull of a mesh.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client, body, base : int
        Its world, a body there, and the link whose frame the floor's height is given in.
    joints : sequence of int
        Joints that move; the body's others stand still where they are.
    rest : (J,)
        Configuration that is free of collisions [rad or m].
    random : (n, J)
        Random configurations within the limits.
    clearance : float
        Distance below which links count as touching [m].

    Attributes
    ----------
    pairs : dict
        Smallest distance [m] that each pair of links (int, int) is to keep.
    """

    def __init__(
        self,
        bullet: Any,
        client: int,
        body: int,
        base: int,
        joints: Sequence[int],
        rest: Array,
        random: Array,
        clearance: float,
    ):
        self._bullet, self._client, self._body, self._base = bullet, client, body, base
        self._joints = list(joints)
        self._clearance = clearance
        infos, links = joints_and_links(bullet, client, body)
        parents = {info[0]: info[16] for info in infos}
        self._shaped = [link for link in sorted(links.values()) if bullet.getCollisionShapeData(body, link, client)]
        candidates = [
            pair
            for pair in combinations(self._shaped, 2)
            if self._carrier(pair[0], parents) != self._carrier(pair[1], parents) and not self._adjacent(pair, parents)
        ]
        self.pairs = self._tell_apart(candidates, rest, random)
        self._above_floor = self._rising(random)

    def free(self, configurations: Array, floor: float | None = None) -> np.ndarray:
        """Whether all that is watched keeps its distance: bool (n,), of configurations (n, J) [rad or m].

        The body is left at the last one. The floor, at a height along the base link's z axis [m], matters to links only
        whose height changes at all.
        """
        with contextlib.nullcontext() if floor is None else self._ground(floor) as ground:
            return np.array([self._keeps_distance(one, ground) for one in configurations], dtype=bool)

    def _keeps_distance(self, configuration: Array, ground: int | None) -> bool:
        self._place(configuration)
        body = self._body
        if any(self._distance(body, *pair, least) is not None for pair, least in self.pairs.items()):
            return False
        if ground is None:
            return True
        return all(self._distance(ground, link, -1, self._clearance) is None for link in self._above_floor)

    @contextlib.contextmanager
    def _ground(self, floor: float) -> Iterator[int]:
        """Body that is the floor, for as long as no time step passes: the simulation never meets it."""
        bullet, client = self._bullet, self._client
        frame = link_pose(bullet, client, self._body, self._base)
        plane = bullet.createCollisionShape(bullet.GEOM_PLANE, planeNormal=[0, 0, 1], physicsClientId=client)
        place = frame[:3, 3] + floor * frame[:3, 2]
        turn = quaternion_from_matrix(frame[:3, :3])
        ground = bullet.createMultiBody(0, plane, -1, place.tolist(), turn.tolist(), physicsClientId=client)
        try:
            yield ground
        finally:
            bullet.removeBody(ground, physicsClientId=client)

    def _tell_apart(
        self, candidates: list[tuple[int, int]], rest: Array, random: Array
    ) -> dict[tuple[int, int], float]:
        """Pairs that are to be watched, each with the smallest distance [m] it is to keep."""
        levels = (self._clearance, 0.0) if self._clearance > 0.0 else (0.0,)
        near = {(pair, level): 0 for pair in candidates for level in levels}
        at_rest = set()
        for i, configuration in enumerate((rest, *random)):
            self._place(configuration)
            for pair in candidates:
                distance = self._distance(self._body, *pair, self._clearance)
                for level in levels:
                    if distance is not None and distance <= level:
                        if i == 0:
                            at_rest.add((pair, level))
                        else:
                            near[pair, level] += 1
        watched = {}
        for pair in candidates:
            for level in levels:
                if (pair, level) not in at_rest and near[pair, level] < NEARLY_ALL * len(random):
                    watched[pair] = level
                    break
        # Those that touch most often first: an answer comes sooner.
        return dict(sorted(watched.items(), key=lambda item: -near[item[0], item[1]]))

    def _rising(self, random: Array) -> list[int]:
        """Links whose height or inclination over the base changes: others cannot be blamed for the floor."""
        heights = []
        for configuration in random[:10]:
            self._place(configuration)
            base = invert_pose(link_pose(self._bullet, self._client, self._body, self._base))
            poses = [base @ link_pose(self._bullet, self._client, self._body, link) for link in self._shaped]
            heights.append(np.array(poses).reshape(-1, 4, 4)[:, 2, :])
        changes = np.ptp(heights, axis=0).max(axis=1)
        return [link for link, change in zip(self._shaped, changes, strict=True) if change > 1e-6]

    def _carrier(self, link: int, parents: dict[int, int]) -> int:
        """Number of the moving joint that carries a link; -1 for what stands with the base."""
        while link >= 0 and link not in self._joints:
            link = parents[link]
        return link

    def _adjacent(self, pair: tuple[int, int], parents: dict[int, int]) -> bool:
        """Whether one moving joint, and no link that has a shape, is between two links."""
        chains = []
        for link in pair:
            chain = [link]
            while chain[-1] >= 0:
                chain.append(parents[chain[-1]])
            chains.append(chain)
        first, second = chains
        meeting = next(link for link in first if link in second)
        path = [*first[: first.index(meeting)], *second[: second.index(meeting)]]
        between = {*path, meeting} - set(pair)
        return not between & set(self._shaped) and sum(link in self._joints for link in path) == 1

    def _place(self, configuration: Array) -> None:
        values = [[float(value)] for value in configuration]
        self._bullet.resetJointStatesMultiDof(self._body, self._joints, values, physicsClientId=self._client)

    def _distance(self, other: int, first: int, second: int, within: float) -> float | None:
        """Distance [m] of a link to one of another body, or of the same; None if it is more than ``within``."""
        # A small margin: whether PyBullet reports a distance equal to the largest asked for depends on its rounding.
        points = self._bullet.getClosestPoints(
            self._body, other, within + 1e-6, first, second, physicsClientId=self._client
        )
        distance = min((point[8] for point in points), default=np.inf)
        return distance if distance <= within else None
