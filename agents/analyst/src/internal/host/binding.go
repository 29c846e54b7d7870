//go:build wasip1

package host

import (
	"errors"
	"fmt"
	"unsafe"
)

//go:wasmimport aion syscall
func hostSyscall(name unsafe.Pointer, nameLen uint32, body unsafe.Pointer, bodyLen uint32) int32

//go:wasmimport aion response_len
func hostResponseLen() int32

//go:wasmimport aion response_read
func hostResponseRead(buffer unsafe.Pointer, bufferLen uint32) int32

// Worker makes syscalls through the imports that the worker offers: docs/wasm-abi.md.
type Worker struct{}

// Call makes one syscall and reads its whole response.
func (Worker) Call(name string, body []byte) (int, []byte, error) {
	status := hostSyscall(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)),
		unsafe.Pointer(unsafe.SliceData(body)), uint32(len(body)))
	switch {
	case status == -1:
		return 0, nil, errors.New("the node does not answer")
	case status < 0:
		return 0, nil, fmt.Errorf("the call could not be made (%d)", status)
	}
	response := make([]byte, 0, max(512, hostResponseLen()))
	for {
		if len(response) == cap(response) {
			response = append(response, 0)[:len(response)]
		}
		free := response[len(response):cap(response)]
		n := hostResponseRead(unsafe.Pointer(unsafe.SliceData(free)), uint32(len(free)))
		if n < 0 {
			return 0, nil, errors.New("the connection broke before the answer's end")
		}
		if n == 0 {
			return int(status), response, nil
		}
		response = response[:len(response)+int(n)]
	}
}
