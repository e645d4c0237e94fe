"""Who is behind a cluster user name."""

from __future__ import annotations

from collections.abc import Iterable

from portal.people.models import User


def names_of(user_names: Iterable[str]) -> dict[str, str]:
    """Display names by cluster user name: one query. A name that is only asked for may be somebody else's."""
    wanted = {name for name in user_names if name}
    people = User.objects.filter(cluster_username__in=wanted, cluster_username_approved_at__isnull=False)
    return {user.cluster_username: user.display_name for user in people if user.cluster_username}
