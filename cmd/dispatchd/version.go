package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "development"

// versionCmd says what the program was built from.
type versionCmd struct {
	SBOM bool `name:"sbom" help:"Print everything that is in the program, as CycloneDX 1.6."`
}

// Run prints the version, the toolchain and, where the build recorded it, the commit.
func (c versionCmd) Run(std *std) error {
	if c.SBOM {
		return writeSBOM(std.out)
	}
	_, err := fmt.Fprintf(std.out, "dispatchd %s %s %s/%s%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, revision())
	return err
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return " " + setting.Value
		}
	}
	return ""
}
