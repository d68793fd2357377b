// A client of Go's net/http with its defaults: go_client ADDRESS
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
)

func use(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func main() {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := use("http://" + os.Args[1] + "/"); err != nil {
			fmt.Printf("error %T\n", err)
		} else {
			fmt.Println("ok")
		}
	}
}
