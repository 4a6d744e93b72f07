"""Tests of the acting half of the operator: cache, queue, controller, process."""
