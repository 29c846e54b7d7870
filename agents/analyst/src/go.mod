module aion.dev/agents/analyst

go 1.24
