"""
Stories of workloads, each told once: what somebody does, and what a cluster makes of it.

    scene.py       what a story needs of a world, and the images that it may run
    workloads.py   Deployments, ReplicaSets, StatefulSets, DaemonSets
    batch.py       Jobs and CronJobs
    cluster.py     quotas, disruption budgets, services, namespaces, ownership, accounts, claims

tests/scenarios/test_stories.py tells them in a World with the loops of our cluster; tests/judge/test_stories.py tells
the same ones to the real kube-controller-manager and kube-scheduler, on a real API server and on ours.
"""

from tests.stories import batch, cluster, workloads

STORIES = (
    workloads.a_deployment_rolls_out_and_back,
    workloads.a_deployment_is_paused_and_scaled,
    workloads.a_rollout_stands_still,
    workloads.a_deployment_recreates,
    workloads.a_replica_set_adopts_and_releases,
    workloads.a_stateful_set_with_volumes,
    workloads.a_stateful_set_is_updated,
    workloads.a_daemon_set_runs_on_each_node,
    batch.a_job_completes,
    batch.a_job_fails,
    batch.an_index_may_fail_alone,
    batch.a_success_policy_ends_a_job,
    batch.a_job_is_suspended_runs_and_goes,
    batch.a_cron_job_is_due_each_minute,
    cluster.a_budget_guards_pods,
    cluster.a_quota_is_used_up,
    cluster.a_service_knows_its_pods,
    cluster.a_namespace_ends,
    cluster.ownership_cascades,
    cluster.a_namespace_has_an_account,
    cluster.a_claim_is_bound,
    cluster.roles_are_gathered,
)
"""All stories; each has a namespace of its own."""
