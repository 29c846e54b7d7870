// What runs in the sample pods of a test's cluster, linked to nothing:
//
//	pod pause              holds a pod's namespaces, until it is told to end
//	pod say WORDS...       writes them once, then as `pause`
//	pod serve PORT WORDS   answers every request with them
//	pod get URL            writes what it is answered, and ends
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("pod: nothing to do: pause, say, serve or get")
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	args := os.Args[2:]
	switch os.Args[1] {
	case "say":
		fmt.Println(strings.Join(args, " "))
	case "serve":
		words := strings.Join(args[1:], " ")
		handler := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, words) }
		go func() { log.Fatal(http.ListenAndServe(":"+args[0], http.HandlerFunc(handler))) }()
	case "get":
		get(args[0])
		return
	}
	go reap()
	<-told
}

func get(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
}

// The first process of a pod whose containers share it inherits their orphans.
func reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
