package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
)

// tokenCmd makes a token.
type tokenCmd struct {
	Role string `required:"" enum:"driver,passenger,agent,operator" help:"driver, passenger, agent or operator."`
	ID   string `required:"" name:"id" help:"Who the token is for."`
	Area string `default:"county" help:"Area that he belongs to."`

	Vehicle     string `default:"minivan" enum:"car,minivan,minibus,bus,pickup" help:"A driver's vehicle: car, minivan, minibus, bus or pickup."`
	Plate       string `help:"Plate or other id of the vehicle."`
	Seats       int    `default:"4" help:"Passenger seats of the vehicle."`
	Wheelchairs int    `help:"Wheelchair places of the vehicle."`
	GoodsL      int    `name:"goods-l" help:"Litres of goods the vehicle takes beside its passengers."`

	TTL        time.Duration `name:"ttl" default:"24h" help:"How long the token is good for."`
	DataDir    string        `default:"data" type:"path" help:"Folder of the server's data."`
	SecretFile string        `type:"path" help:"File with the secret. Default: 'secret' in the data folder."`
}

// Run prints a token.
func (c *tokenCmd) Run(std *std) error {
	key, err := ws.LoadKey(secretPath(c.SecretFile, c.DataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: start the server once, it makes the secret; or say --secret-file", err)
	}
	if err != nil {
		return err
	}
	role, err := dispatch.ParseRole(c.Role)
	if err != nil {
		return err
	}
	area, err := geo.ParseAreaID(c.Area)
	if err != nil {
		return err
	}
	claims := ws.Claims{Actor: dispatch.Actor{Role: role, ID: c.ID}, Area: area}
	if role == dispatch.RoleDriver {
		claims.Vehicle = dispatch.Vehicle{
			ID:    dispatch.VehicleID(c.Plate),
			Class: geo.VehicleClass(c.Vehicle),
			Load:  dispatch.Load{Seats: c.Seats, Wheelchairs: c.Wheelchairs, GoodsLitres: c.GoodsL},
		}
	}
	token, err := ws.Mint(key, claims, c.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, token)
	return err
}

func secretPath(file, dataDir string) string {
	if file != "" {
		return file
	}
	return filepath.Join(dataDir, "secret")
}

// loadOrMakeKey reads the secret, or makes one where none is. A secret that was
// asked for by name and is missing is an error: tokens in use hang on it.
func loadOrMakeKey(file, dataDir string) (key ws.Key, made bool, err error) {
	path := secretPath(file, dataDir)
	key, err = ws.LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) || file != "" {
		return key, false, err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return key, false, err
	}
	key, err = ws.NewKey(path)
	return key, true, err
}
