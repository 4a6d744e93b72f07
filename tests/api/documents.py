"""One run that a cluster accepts, written as a user would."""

from __future__ import annotations

from typing import Final

VALID: Final = """\
apiVersion: cycleqd.io/v1alpha1
kind: CycleQDRun
metadata:
  name: agents
spec:
  seed: 7
  base:
    uri: s3://models/base
  experts:
    - name: python
      uri: s3://models/python
    - name: sql
      uri: hf://org/sql@main
    - name: shell
      uri: /mnt/models/shell
  tasks:
    - name: python
      type: python
      items: {search: "s3://items/python-search.jsonl", test: "s3://items/python-test.jsonl"}
      stop: ["\\n\\n"]
    - name: sql
      type: sql
      items: {search: "s3://items/sql-search.jsonl", test: "s3://items/sql-test.jsonl"}
      bounds: {min: "0.1", max: "0.9"}
    - name: bash
      type: shell
      expert: shell
      items: {search: /mnt/items/shell-search.jsonl, test: /mnt/items/shell-test.jsonl}
  evolution:
    generations: 20
    selection: {method: Elite, low: "0.5", high: "0.8"}
    crossover: {granularity: Block}
    mutation: {method: ExpertSVD, rank: 16}
  storage:
    uri: s3://runs/cycleqd
    s3:
      endpoint: "https://s3.example.org"
      addressingStyle: Path
      caBundleRef: {name: authorities}
      credentialsSecretRef: {name: s3-credentials}
  goal: {metric: Coverage, value: "0.5"}
  workers:
    replicas: 2
    template:
      metadata:
        labels: {team: agents}
      spec:
        nodeSelector: {gpu: a100}
        containers:
          - name: worker
            env: [{name: HF_HUB_OFFLINE, value: "1"}]
            volumeMounts: [{name: mnt, mountPath: /mnt}]
        volumes: [{name: mnt, emptyDir: {}}]
"""
