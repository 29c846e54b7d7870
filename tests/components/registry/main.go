// Two OCI registries in one program, plain HTTP on a free loopback port, which it
// writes to its log:
//
//	registry distribution FOLDER [HTPASSWD]   CNCF distribution, on disk
//	registry referrers                        in memory, with OCI 1.1's referrers API
//
// Clients are to work with that API and without it, and distribution has none. Its
// own command is not used because it links three clouds' SDKs: minutes of compiling
// that no test needs.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	handler, err := handlerFor(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}

func handlerFor(args []string) (http.Handler, error) {
	switch {
	case len(args) == 1 && args[0] == "referrers":
		return registry.New(
			registry.WithReferrersSupport(true),
			registry.Logger(log.New(io.Discard, "", 0)),
		), nil
	case len(args) == 2 && args[0] == "distribution":
		return distribution(args[1], nil), nil
	case len(args) == 3 && args[0] == "distribution":
		return distribution(args[1], configuration.Auth{
			"htpasswd": configuration.Parameters{"realm": "test", "path": args[2]},
		}), nil
	}
	return nil, fmt.Errorf("usage: registry distribution FOLDER [HTPASSWD] | registry referrers")
}

func distribution(folder string, auth configuration.Auth) http.Handler {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": configuration.Parameters{"rootdirectory": folder},
			"delete":     configuration.Parameters{"enabled": true},
		},
		Auth: auth,
	}
	config.HTTP.Secret = "of no use with one replica"
	return handlers.NewApp(context.Background(), config)
}
