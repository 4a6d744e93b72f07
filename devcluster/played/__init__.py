"""What tests and benchmarks play without root: fake nodes, pods as processes, the operator here."""
