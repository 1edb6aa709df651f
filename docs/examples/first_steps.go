// SPDX-License-Identifier: GPL-3.0-or-later

// First steps in Go, with nothing but its own library: `go run first_steps.go`. docs/protocol.md explains each step.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

type server struct {
	Instance, Token string
	Port            uint16
}

type failure struct {
	Message string
	Data    struct{ Kind string }
}

type message struct {
	ID     *int
	Params struct{ Instance, Nonce string }
	Result json.RawMessage
	Error  *failure
}

func (f *failure) Error() string { return f.Data.Kind + ": " + f.Message }

type object = map[string]any

type blender struct {
	socket net.Conn
	lastID int
}

func runtimeFolder() string {
	home, _ := os.UserHomeDir() // Empty where it is not known; the folder is not found then.
	if folder := os.Getenv("SPINDLE_RUNTIME_DIR"); folder != "" {
		return folder
	}
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(os.Getenv("LOCALAPPDATA"), "spindle")
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "spindle")
	}
	for _, name := range []string{"XDG_RUNTIME_DIR", "XDG_DATA_HOME"} {
		if folder := os.Getenv(name); folder != "" {
			return filepath.Join(folder, "spindle")
		}
	}
	return filepath.Join(home, ".local", "share", "spindle")
}

func find() (found server, err error) {
	files, err := filepath.Glob(filepath.Join(runtimeFolder(), "*.json"))
	if err != nil || len(files) == 0 {
		return found, errors.New("no Blender with Spindle runs")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal(text, &found)
}

func proof(role string, to server, serverNonce, clientNonce, client string) string {
	key, _ := hex.DecodeString(to.Token) // A wrong token makes a wrong proof, which the server refuses.
	nonces, _ := hex.DecodeString(serverNonce + clientNonce)
	text := append([]byte("spindle1 "+role), nonces...)
	text = binary.BigEndian.AppendUint16(text, to.Port)
	text = binary.BigEndian.AppendUint32(text, uint32(len(to.Instance)))
	mac := hmac.New(sha256.New, key)
	mac.Write(append(text, to.Instance+client...))
	return hex.EncodeToString(mac.Sum(nil))
}

func (b *blender) receive() (received message, err error) {
	header := make([]byte, 8)
	if _, err = io.ReadFull(b.socket, header); err != nil {
		return received, err
	}
	length := binary.BigEndian.Uint32(header)
	body := make([]byte, length+binary.BigEndian.Uint32(header[4:])) // The blob comes behind the JSON.
	if _, err = io.ReadFull(b.socket, body); err != nil {
		return received, err
	}
	return received, json.Unmarshal(body[:length], &received)
}

func (b *blender) call(method string, params object, result any) error {
	b.lastID++
	text, err := json.Marshal(object{"jsonrpc": "2.0", "id": b.lastID, "method": method, "params": params})
	if err != nil {
		return err
	}
	frame := binary.BigEndian.AppendUint64(nil, uint64(len(text))<<32) // No blob.
	if _, err = b.socket.Write(append(frame, text...)); err != nil {
		return err
	}
	for {
		received, err := b.receive()
		switch {
		case err != nil:
			return fmt.Errorf("the connection ended, and %s may have run: %w", method, err)
		case received.Error != nil:
			return received.Error
		case received.ID != nil && *received.ID == b.lastID:
			return json.Unmarshal(received.Result, result)
		}
	}
}

func connect(name string) (*blender, error) {
	to, err := find()
	if err != nil {
		return nil, err
	}
	socket, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to.Port))
	if err != nil {
		return nil, err
	}
	b := &blender{socket: socket}
	greeting, err := b.receive()
	if err == nil && greeting.Params.Instance != to.Instance {
		err = errors.New("another server listens on the port")
	}
	if err != nil {
		return nil, err
	}
	random := make([]byte, 48)
	if _, err = rand.Read(random); err != nil {
		return nil, err
	}
	client, nonce := hex.EncodeToString(random[:16]), hex.EncodeToString(random[16:])
	var welcome struct{ Proof string }
	err = b.call("hello", object{
		"protocol": 1,
		"client":   object{"id": client, "name": name, "version": "1.0"},
		"nonce":    nonce,
		"proof":    proof("client", to, greeting.Params.Nonce, nonce, client),
	}, &welcome)
	expected := proof("server", to, greeting.Params.Nonce, nonce, client)
	if err == nil && !hmac.Equal([]byte(welcome.Proof), []byte(expected)) {
		err = errors.New("the server has not our token")
	}
	return b, err
}

func main() {
	blender, err := connect("First steps")
	if err != nil {
		log.Fatal(err)
	}
	defer blender.socket.Close()
	var result struct {
		Value     int
		Exception struct{ Type, Message string }
	}
	sum := object{"code": "sum(args['numbers'])", "args": object{"numbers": []int{1, 2, 3}}}
	if err := blender.call("script.run", sum, &result); err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Value)
	if err := blender.call("script.run", object{"code": "1 / 0"}, &result); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", result.Exception.Type, result.Exception.Message)
	var refused *failure
	if err := blender.call("object.get", object{"name": "Nobody"}, &result); errors.As(err, &refused) {
		fmt.Println(refused.Data.Kind)
	}
}
