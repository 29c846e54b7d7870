module aion.dev/tests/components/pod

go 1.26.0
