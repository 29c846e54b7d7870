// How tools that deploy from Git judge resources: Flux, by its own kstatus library, and
// Argo CD, by the Lua of its users in the interpreter that it has.
//
//	judge HEALTH.lua <OBJECTS
//
// Reads JSON objects and writes a line of JSON for each: what flux and what argo says.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type judgement struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: judge HEALTH.lua <OBJECTS")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	objects, lines := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var object unstructured.Unstructured
		err := objects.Decode(&object)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = judge(lines, string(script), &object)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func judge(lines *json.Encoder, script string, object *unstructured.Unstructured) error {
	result, err := status.Compute(object)
	if err != nil {
		return err
	}
	argo, err := health(script, object.Object)
	if err != nil {
		return err
	}
	flux := judgement{string(result.Status), result.Message}
	return lines.Encode(map[string]judgement{"flux": flux, "argo": argo})
}

// health runs script with no more libraries than Argo CD gives it.
func health(script string, object map[string]any) (judgement, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	lua.OpenPackage(state)
	lua.OpenBase(state)
	lua.OpenTable(state)
	state.SetGlobal("obj", value(state, object))
	state.SetTop(0)
	if err := state.DoString(script); err != nil {
		return judgement{}, err
	}
	told, is := state.Get(-1).(*lua.LTable)
	if !is {
		return judgement{}, fmt.Errorf("the script returns a %s, not a table", state.Get(-1).Type())
	}
	text := func(field string) string { return lua.LVAsString(told.RawGetString(field)) }
	return judgement{text("status"), text("message")}, nil
}

// value is what JSON has, for Lua.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		list := state.NewTable()
		for _, item := range from {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for name, field := range from {
			table.RawSetString(name, value(state, field))
		}
		return table
	}
	return lua.LNil
}
