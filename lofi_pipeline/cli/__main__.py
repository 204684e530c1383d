"""`python -m lofi_pipeline.cli`: the same as `lofi`."""

from lofi_pipeline.cli.app import main

main()
